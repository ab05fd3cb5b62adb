// SPDX-License-Identifier: MIT

// In the place of Qt Core, to link something that needs a version of Qt which is not there.

extern "C" __attribute__((visibility("default"))) void functionOfAnotherQt() { }
