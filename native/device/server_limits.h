// SPDX-License-Identifier: Apache-2.0
// What a device allows its clients, in one place.
#pragma once

#include <cstddef>
#include <cstdint>

#include "device/shared_session.h"

namespace mango::device {

// Descriptors of the device per session: TCP socket, its end of the pair, memfd. Ids start at 1.
constexpr uint32_t kDescriptorsPerSession = 3;
constexpr uint32_t kDescriptorsPerClient = 3;
constexpr uint32_t kSpareDescriptors = 64;
constexpr uint32_t kMostSessions = kMaxSessions - 1;
// One process may have this share of the sessions, so that it cannot shut out the others: 7/8.
constexpr uint32_t kClientShareEighths = 7;

constexpr uint32_t kMostClients = 1024;
constexpr int64_t kMostClientsOfStranger = 128;  // of one user's (server_access.h)
constexpr uint32_t kMostOwners = 64;             // processes that may command one session by its id
constexpr int kMostSetsPerClient = 64;           // readiness sets: one for each thread that waits
constexpr size_t kMostSets = 256;
constexpr uint32_t kMostQueuedMessages = 4096;

// Accepted connections that wait in a listener's pair; the rest waits in TCP's own queue. One frame with its
// two descriptors is charged about this much.
constexpr uint32_t kMostPendingAccepts = 128;
constexpr uint32_t kPendingAcceptBytes = 768;

// A session whose client closed it goes on sending for as long as there is progress.
constexpr uint32_t kDrainTimeoutMs = 60'000;
constexpr uint32_t kMostDrainTimeoutMs = 24 * 3600 * 1000;
constexpr uint32_t kDrainCheckMs = 250;
// After descriptors ran out, accepting is tried again when some are freed, or after this.
constexpr uint32_t kStarvedRetryMs = 100;

// Per visit of a session, so that a busy one does not keep the others waiting.
constexpr uint32_t kPumpTurns = 4;
constexpr int kMostStuffing = 4;  // messages a client can have piled up in its end
constexpr uint32_t kAcceptsPerTurn = 64;
constexpr uint32_t kEventsPerTurn = 256;

constexpr uint32_t kSpinUs = 20;
constexpr uint32_t kMostSpinUs = 1000;
constexpr uint32_t kMostSpinPenalty = 63;  // idle periods without spinning after spins in vain

}  // namespace mango::device
