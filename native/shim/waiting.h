// SPDX-License-Identifier: Apache-2.0
// Waiting as the system's own blocking calls do: ended by a signal unless its handler says SA_RESTART, by the
// socket's time-out, and by pthread_cancel(). Called without any lock, so that others may use and close the
// descriptor meanwhile.
#pragma once

namespace mango::shim {

// True: look again. False with errno EINTR, or EAGAIN when the time is over or the descriptor has O_NONBLOCK
// by now (another process may have set it).
[[nodiscard]] bool wait_readable(int fd);
// timeout_ms: -1 for ever.
[[nodiscard]] bool wait_writable(int fd, int timeout_ms);

}  // namespace mango::shim
