// SPDX-License-Identifier: MIT

// In the place of the library, as if it had been built for another version of Qt.

extern "C" void functionOfAnotherQt();

extern "C" __attribute__((visibility("default"))) void glibeventdispatcher_install()
{
    functionOfAnotherQt();
}
