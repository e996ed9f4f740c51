// SPDX-License-Identifier: Apache-2.0
#include "proxy/counters.h"

#include <gtest/gtest.h>

#include <map>
#include <thread>

namespace mango::proxy {
namespace {

std::map<uint16_t, uint64_t> read(const StatusCounts& counts) {
  std::map<uint16_t, uint64_t> all;
  counts.for_each([&all](uint16_t status, uint64_t count) { all[status] += count; });
  return all;
}

TEST(Histogram, CountsIntoTheBucketWhoseBoundIsNotExceeded) {
  Histogram histogram;
  for (const double bound : Histogram::kBounds) histogram.observe_ns(static_cast<uint64_t>(bound * 1e9));
  histogram.observe_ns(0);
  histogram.observe_ns(10'000'000'001);
  EXPECT_EQ(2U, histogram.counts.front().read());
  for (size_t i = 1; i < Histogram::kBounds.size(); ++i) EXPECT_EQ(1U, histogram.counts[i].read()) << i;
  EXPECT_EQ(1U, histogram.counts.back().read());
  EXPECT_GT(histogram.sum_ns.read(), 10'000'000'001U);
}

TEST(StatusCounts, KeepsACountForEachStatus) {
  StatusCounts counts;
  for (int i = 0; i < 3; ++i) counts.count(200);
  counts.count(404);
  EXPECT_EQ((std::map<uint16_t, uint64_t>{{200, 3}, {404, 1}}), read(counts));
}

// An upstream may send every number there is.
TEST(StatusCounts, FallsBackToClassesAndLosesNothing) {
  StatusCounts counts;
  for (uint16_t status = 100; status < 600; ++status) counts.count(status);
  const auto all = read(counts);
  EXPECT_LE(all.size(), StatusCounts::kSlots + 5);
  uint64_t sum = 0;
  std::map<uint16_t, uint64_t> by_class;
  for (const auto& [status, count] : all) {
    sum += count;
    by_class[status / 100] += count;
  }
  EXPECT_EQ(500U, sum);
  for (const auto& [status_class, count] : by_class) EXPECT_EQ(100U, count) << status_class;
}

TEST(Blocks, GivesTheSameBlockForTheSameName) {
  Blocks<ServerCounters> blocks;
  ServerCounters& first = blocks.get("a");
  for (int i = 0; i < 1000; ++i) (void)blocks.get("b" + std::to_string(i));
  EXPECT_EQ(&first, &blocks.get("a")) << "blocks stay where they are";
  size_t count = 0;
  blocks.for_each([&count](const std::string&, const ServerCounters&) { ++count; });
  EXPECT_EQ(1001U, count);
}

TEST(OwnCounter, IsReadWhileItIsWritten) {
  OwnCounter counter;
  std::thread writer([&counter] {
    for (int i = 0; i < 100'000; ++i) ++counter;
  });
  uint64_t last = 0;
  while (last < 100'000) {
    const uint64_t now = counter.read();
    ASSERT_GE(now, last);
    last = now;
  }
  writer.join();
  counter += 5;
  --counter;
  EXPECT_EQ(100'004U, counter.read());
}

TEST(RareCounters, AddUpAndAreBounded) {
  RareCounters one;
  RareCounters two;
  one.count_reason("x");
  two.count_reason("x");
  two.count_action({"p", "idle", "close"});
  two.count_handshake({"l", "TLSv1.3", "g", "c", true, "ok"});
  for (int i = 0; i < 10'000; ++i) one.count_reason(std::to_string(i));
  std::map<RareCounters::Handshake, uint64_t> handshakes;
  std::map<RareCounters::Action, uint64_t> actions;
  std::map<std::string, uint64_t> reasons;
  one.sum(handshakes, actions, reasons);
  two.sum(handshakes, actions, reasons);
  EXPECT_EQ(2U, reasons["x"]);
  EXPECT_EQ(4096U, reasons.size());
  EXPECT_EQ(1U, actions.size());
  EXPECT_EQ(1U, handshakes.size());
}

}  // namespace
}  // namespace mango::proxy
