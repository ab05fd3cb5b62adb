// SPDX-License-Identifier: MIT

// What a program looks like that was linked statically with Qt: the class is its own.

#include <cstdio>

class QCoreApplication
{
public:
    virtual ~QCoreApplication();
    virtual int exec();
};

QCoreApplication::~QCoreApplication() = default;

int QCoreApplication::exec()
{
    std::printf("ran\n");
    return 0;
}

int main()
{
    QCoreApplication app;
    return app.exec();
}
