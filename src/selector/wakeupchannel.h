// SPDX-License-Identifier: MIT

#ifndef WAKEUPCHANNEL_H
#define WAKEUPCHANNEL_H

/// A descriptor that any thread can make readable, to end a poll(2): an eventfd, or a pipe where
/// there is none.
class WakeUpChannel
{
public:
    WakeUpChannel();
    ~WakeUpChannel();
    WakeUpChannel(const WakeUpChannel &) = delete;
    WakeUpChannel &operator=(const WakeUpChannel &) = delete;

    int fd() const { return m_readEnd; }
    void signal();
    /// Makes it unreadable again.
    void drain();
    /// A forked child must not wake its parent, nor take the parent's wake-ups.
    void renewAfterFork();

private:
    void open();
    void close();

    int m_readEnd = -1;
    int m_writeEnd = -1;
    unsigned m_forks;
};

#endif
