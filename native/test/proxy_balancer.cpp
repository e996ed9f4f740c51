// SPDX-License-Identifier: Apache-2.0
#include "proxy/balancer.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace mango::proxy {
namespace {

using config::LoadBalancer;

Balancer balancer(LoadBalancer kind, std::vector<uint32_t> weights) {
  return {kind, weights};
}

std::string sequence(Balancer& from, size_t length) {
  std::string out;
  for (size_t i = 0; i < length; ++i) out += static_cast<char>('a' + from.pick());
  return out;
}

TEST(ProxyBalancer, SpreadsWeightsSmoothly) {
  Balancer weighted = balancer(LoadBalancer::round_robin, {5, 1, 1});
  EXPECT_EQ(sequence(weighted, 14), "aabacaaaabacaa");
  Balancer equal = balancer(LoadBalancer::round_robin, {1, 1, 1});
  EXPECT_EQ(sequence(equal, 6), "abcabc");
}

TEST(ProxyBalancer, IsExactOverARoundOfAllWeights) {
  Balancer canary = balancer(LoadBalancer::round_robin, {90, 10});
  std::array<int, 2> counts{};
  for (int i = 0; i < 1000; ++i) ++counts[static_cast<size_t>(canary.pick())];
  EXPECT_EQ(counts[0], 900);
  EXPECT_EQ(counts[1], 100);
}

TEST(ProxyBalancer, NeverPicksWeightZero) {
  Balancer zero = balancer(LoadBalancer::round_robin, {0, 1, 0});
  EXPECT_EQ(sequence(zero, 3), "bbb");
  Balancer none = balancer(LoadBalancer::round_robin, {0, 0});
  EXPECT_EQ(none.pick(), Balancer::kNone);
  Balancer least = balancer(LoadBalancer::least_request, {0, 2});
  EXPECT_EQ(sequence(least, 2), "bb");
  EXPECT_EQ(Balancer().pick(), Balancer::kNone);
}

TEST(ProxyBalancer, SkipsExcludedServers) {
  for (const auto kind : {LoadBalancer::round_robin, LoadBalancer::least_request}) {
    Balancer three = balancer(kind, {1, 1, 1});
    for (int i = 0; i < 9; ++i) {
      const auto choice = three.pick([](size_t at) {
        return Candidate{.candidacy = at == 1 ? Candidacy::usable : Candidacy::excluded};
      });
      EXPECT_EQ(choice.index, 1);
      EXPECT_FALSE(choice.panic);
    }
  }
}

TEST(ProxyBalancer, PanicsToEjectedServersOnlyIfNothingElseIsLeft) {
  Balancer three = balancer(LoadBalancer::round_robin, {1, 1, 1});
  const auto two_ejected = [](size_t at) {
    return Candidate{.candidacy = at == 2 ? Candidacy::usable : Candidacy::ejected};
  };
  for (int i = 0; i < 5; ++i) EXPECT_EQ(three.pick(two_ejected).index, 2);
  const auto no_usable = [](size_t at) {
    return Candidate{.candidacy = at == 2 ? Candidacy::excluded : Candidacy::ejected};
  };
  std::array<int, 3> counts{};
  for (int i = 0; i < 10; ++i) {
    const auto choice = three.pick(no_usable);
    EXPECT_TRUE(choice.panic);
    ++counts[static_cast<size_t>(choice.index)];
  }
  EXPECT_EQ(counts, (std::array<int, 3>{5, 5, 0}));
  const auto choice = three.pick([](size_t) { return Candidate{.candidacy = Candidacy::excluded}; });
  EXPECT_EQ(choice.index, Balancer::kNone);
  EXPECT_FALSE(choice.panic);
}

TEST(ProxyBalancer, PicksTheLeastLoadedForItsWeight) {
  Balancer least = balancer(LoadBalancer::least_request, {1, 4, 1});
  std::array<uint32_t, 3> active{};
  const auto candidate = [&](size_t at) { return Candidate{.active = active[at]}; };
  for (int i = 0; i < 60; ++i) ++active[static_cast<size_t>(least.pick(candidate).index)];
  EXPECT_EQ(active, (std::array<uint32_t, 3>{10, 40, 10}));
  active = {UINT32_MAX, 3, UINT32_MAX};
  EXPECT_EQ(least.pick(candidate).index, 1);
}

TEST(ProxyBalancer, GoesRoundAmongEquallyLoadedServers) {
  Balancer least = balancer(LoadBalancer::least_request, {1, 1, 1});
  EXPECT_EQ(sequence(least, 6), "abcabc");
}

}  // namespace
}  // namespace mango::proxy
