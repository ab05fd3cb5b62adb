// SPDX-License-Identifier: MIT

#ifndef HASHCHAINS_H
#define HASHCHAINS_H

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

/**
 * Finds items, which are small numbers, by the hash of a key that is kept elsewhere: a hash table whose chains run
 * through an array with a place for each item. Nothing is allocated unless there are more items than ever.
 */
class HashChains
{
public:
    using Item = std::uint32_t;
    static constexpr Item None = Item(-1);

    /// The first item whose key may have @p hash. The keys have to be compared.
    Item first(std::size_t hash) const { return m_heads.empty() ? None : m_heads[bucket(hash)]; }
    Item next(Item item) const { return m_links[item].next; }

    void insert(Item item, std::size_t hash)
    {
        if (item >= m_links.size())
            m_links.resize(item + 1);
        if (m_count >= m_heads.size())
            grow();
        m_links[item].hash = hash;
        link(item);
        ++m_count;
    }

    /// @p item must be there.
    void remove(Item item)
    {
        Item *link = &m_heads[bucket(m_links[item].hash)];
        while (*link != item)
            link = &m_links[*link].next;
        *link = m_links[item].next;
        --m_count;
    }

private:
    struct Link
    {
        std::size_t hash;
        Item next;
    };

    std::size_t bucket(std::size_t hash) const { return hash & (m_heads.size() - 1); }

    void link(Item item)
    {
        Item &head = m_heads[bucket(m_links[item].hash)];
        m_links[item].next = head;
        head = item;
    }

    void grow()
    {
        std::vector<Item> heads(m_heads.empty() ? 16 : 2 * m_heads.size(), None);
        heads.swap(m_heads);
        for (Item item : heads) {
            while (item != None)
                link(std::exchange(item, m_links[item].next));
        }
    }

    std::vector<Item> m_heads; // by hash; a power of two
    std::vector<Link> m_links; // by item
    std::size_t m_count = 0;
};

#endif
