// SPDX-License-Identifier: MIT

#include "eventlooptest.h"

#include <GLibEventDispatcher>

#include <glib.h>

/// What the dispatcher says that it is.
class tst_Identity : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void saysWhetherGLibIsServed();
    void isNoOtherClass();
    void derivedClass();
};

/// By the question that programs ask, and truly.
void tst_Identity::saysWhetherGLibIsServed()
{
    const bool saysSo = dispatcher()->inherits("QEventDispatcherGlib");
    QCOMPARE(saysSo, DispatcherUnderTest::kind() != DispatcherUnderTest::Kind::QtUnix);
    bool called = false;
    const guint source = g_idle_add(
        [](void *data) -> gboolean {
            *static_cast<bool *>(data) = true;
            return G_SOURCE_CONTINUE;
        },
        &called);
    QCOMPARE(QTest::qWaitFor([&] { return called; }, saysSo ? 5000 : 100), saysSo);
    QVERIFY(g_source_remove(source));
}

void tst_Identity::isNoOtherClass()
{
    if (DispatcherUnderTest::kind() != DispatcherUnderTest::Kind::Ours) {
        QVERIFY(!qobject_cast<GLibEventDispatcher *>(dispatcher()));
        return;
    }
    const QMetaObject *meta = dispatcher()->metaObject();
    QCOMPARE(meta->className(), "GLibEventDispatcher");
    QCOMPARE(meta->superClass(), &GLibEventDispatcherBase::staticMetaObject);
    QCOMPARE(qobject_cast<GLibEventDispatcher *>(dispatcher()), dispatcher());
    QVERIFY(dispatcher()->inherits("GLibEventDispatcher"));
    QVERIFY(dispatcher()->inherits("QAbstractEventDispatcher"));
    QVERIFY(!dispatcher()->inherits("QEventDispatcherUNIX"));
    QVERIFY(!dispatcher()->inherits(""));
}

namespace {

class DerivedDispatcher : public GLibEventDispatcher
{
    Q_OBJECT
};

}

void tst_Identity::derivedClass()
{
    const DerivedDispatcher derived;
    QVERIFY(derived.inherits("QEventDispatcherGlib"));
    QCOMPARE(derived.metaObject()->className(), "DerivedDispatcher");
}

DISPATCHER_TEST_MAIN(tst_Identity)

#include "tst_identity.moc"
