// SPDX-License-Identifier: Apache-2.0
#include "net/buffer_pool.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace mango::net {
namespace {

constexpr uint64_t kPlenty = 1 << 30;

TEST(BufferPool, GivesTheSmallestClassThatFits) {
  BufferPool pool(kPlenty);
  for (const auto& [size, capacity] : {std::pair<size_t, size_t>{0, 1024},
                                       {1, 1024},
                                       {1024, 1024},
                                       {1025, 4096},
                                       {4097, 16384},
                                       {16385, 65536},
                                       {65536, 65536},
                                       {65537, 262144},
                                       {262144, 262144}})
    EXPECT_EQ(capacity, pool.take(size).capacity()) << size;
  EXPECT_FALSE(pool.take(262145));
  EXPECT_EQ(0U, pool.held_bytes());
}

TEST(BufferPool, GivesNothingBeyondItsBudget) {
  BufferPool pool(5000);
  Buffer large = pool.take(4096);
  EXPECT_TRUE(large);
  EXPECT_FALSE(pool.take(1)) << "904 bytes are left";
  pool.set_budget(5120);
  Buffer small = pool.take(1);
  EXPECT_TRUE(small);
  EXPECT_FALSE(pool.take(1));
  large = Buffer();
  EXPECT_EQ(1024U, pool.held_bytes());
  EXPECT_TRUE(pool.take(4000));
}

TEST(BufferPool, MakesNoAllocationOnceWarm) {
  BufferPool pool(kPlenty);
  for (int round = 0; round < 1000; ++round) {
    Buffer one = pool.keep("one");
    Buffer two = pool.take(20'000);
  }
  EXPECT_EQ(2U, pool.allocations());
}

TEST(Buffer, MovesItsBytesWithoutTouchingThem) {
  BufferPool pool(kPlenty);
  Buffer first = pool.keep("text");
  const char* bytes = first.text().data();
  Buffer second(std::move(first));
  EXPECT_EQ(bytes, second.text().data());
  EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): empty by contract
  EXPECT_TRUE(first.empty());
  second = std::move(second);
  EXPECT_EQ("text", second.text());
  Buffer third = pool.keep("other");
  third = std::move(second);
  EXPECT_EQ("text", third.text());
  EXPECT_EQ(1024U, pool.held_bytes());
}

TEST(Buffer, ConsumesFromTheFrontAndAppendsBehind) {
  BufferPool pool(kPlenty);
  Buffer buffer = pool.take(1);
  EXPECT_EQ(1024U, buffer.append(std::string(2000, 'a')));
  EXPECT_EQ(0U, buffer.append("b"));
  buffer.consumed(1000);
  EXPECT_EQ(24U, buffer.size());
  EXPECT_TRUE(buffer.room().empty());
  buffer.compact();
  EXPECT_EQ(1000U, buffer.room().size());
  EXPECT_EQ(1U, buffer.append("b"));
  EXPECT_EQ(std::string(24, 'a') + "b", buffer.text());
  ASSERT_TRUE(pool.grow(buffer, 5000));
  EXPECT_EQ(std::string(24, 'a') + "b", buffer.text());
  EXPECT_EQ(16384U, pool.held_bytes());
}

TEST(Buffer, StaysAsItWasIfItCannotGrow) {
  BufferPool pool(4096);
  Buffer buffer = pool.keep("text");
  EXPECT_FALSE(pool.grow(buffer, 4096));
  EXPECT_EQ("text", buffer.text());
}

TEST(BufferPool, CountsRightThroughRandomUse) {
  std::mt19937 random(3);
  BufferPool pool(1 << 20);
  std::vector<Buffer> held;
  for (int step = 0; step < 20'000; ++step) {
    if (random() % 2 == 0) {
      Buffer buffer = pool.take(random() % 66'000);
      if (buffer) held.push_back(std::move(buffer));
    } else if (!held.empty()) {
      std::swap(held[random() % held.size()], held.back());
      held.pop_back();
    }
    uint64_t sum = 0;
    for (const Buffer& buffer : held) sum += buffer.capacity();
    ASSERT_EQ(sum, pool.held_bytes());
    ASSERT_LE(sum, uint64_t{1} << 20);
  }
}

}  // namespace
}  // namespace mango::net
