// SPDX-License-Identifier: MIT

#ifndef DEADLINEHEAP_H
#define DEADLINEHEAP_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

/// A priority queue of items, each with a time, from which any item can be removed: O(log n) each. Items are
/// small numbers. Four children a node, because comparisons are cheaper here than cache misses.
class DeadlineHeap
{
public:
    using TimePoint = std::chrono::steady_clock::time_point;
    using Item = std::uint32_t;

    bool isEmpty() const { return m_nodes.empty(); }
    TimePoint firstTime() const { return m_nodes.front().time; }
    Item first() const { return m_nodes.front().item; }

    /// @p item must not be there yet.
    void insert(Item item, TimePoint time)
    {
        if (item >= m_positions.size())
            m_positions.resize(item + 1);
        m_nodes.push_back({time, item});
        moveUp(m_nodes.size() - 1);
    }

    /// @p item must be there.
    void remove(Item item)
    {
        const std::size_t position = m_positions[item];
        const Node last = m_nodes.back();
        m_nodes.pop_back();
        if (last.item == item)
            return;
        place(position, last);
        moveUp(position);
        moveDown(m_positions[last.item]);
    }

private:
    struct Node
    {
        TimePoint time;
        Item item;
    };

    static constexpr std::size_t Arity = 4;

    void place(std::size_t position, const Node &node)
    {
        m_nodes[position] = node;
        m_positions[node.item] = std::uint32_t(position);
    }

    void moveUp(std::size_t position)
    {
        const Node node = m_nodes[position];
        while (position > 0) {
            const std::size_t parent = (position - 1) / Arity;
            if (m_nodes[parent].time <= node.time)
                break;
            place(position, m_nodes[parent]);
            position = parent;
        }
        place(position, node);
    }

    void moveDown(std::size_t position)
    {
        const Node node = m_nodes[position];
        for (;;) {
            const std::size_t begin = position * Arity + 1;
            const std::size_t end = begin + Arity < m_nodes.size() ? begin + Arity : m_nodes.size();
            if (begin >= end)
                break;
            std::size_t smallest = begin;
            for (std::size_t child = begin + 1; child < end; ++child) {
                if (m_nodes[child].time < m_nodes[smallest].time)
                    smallest = child;
            }
            if (node.time <= m_nodes[smallest].time)
                break;
            place(position, m_nodes[smallest]);
            position = smallest;
        }
        place(position, node);
    }

    std::vector<Node> m_nodes;
    std::vector<std::uint32_t> m_positions; // in m_nodes, by item
};

#endif
