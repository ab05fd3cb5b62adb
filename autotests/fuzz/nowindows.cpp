// SPDX-License-Identifier: MIT

// In the place of windows.cpp where Qt Gui or its private headers are missing.

#include "windows.h"

class Windows::Window
{
};

Windows::Windows(Happened happened)
    : m_happened(std::move(happened))
{
}

Windows::~Windows() = default;

bool Windows::areSupported()
{
    return false;
}

std::unique_ptr<QCoreApplication> Windows::makeApplication(int &, char **, bool)
{
    return nullptr;
}

void Windows::separateUpdates() { }

std::chrono::milliseconds Windows::updateDelay()
{
    return {};
}

int Windows::queued(bool)
{
    return 0;
}

void Windows::show(int) { }

bool Windows::isShown(int) const
{
    return false;
}

void Windows::hide(int) { }

void Windows::close(int) { }

void Windows::destroy(int) { }

bool Windows::requestUpdate(int)
{
    return false;
}

void Windows::queueInput(int, int, bool) { }

bool Windows::isExposed(int) const
{
    return false;
}
