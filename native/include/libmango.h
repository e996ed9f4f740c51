/* SPDX-License-Identifier: Apache-2.0
 *
 * libmango: TCP on an offload engine, for programs that want more than LD_PRELOAD gives. C11 and C++17.
 *
 * Signatures are the vendor's (MangoBoost SDK, "TCP/IP Offload"); the vendor's header is not public, so where
 * its reference is silent the comments here say what this implementation does. Three handles: IPC (the
 * channel to the process that runs a device), TCP (one device's connections), socket (one session and its
 * buffers).
 *
 * Rules for every function, not repeated below:
 *  - Threads: one handle is used from one thread at a time; different sockets of one tcp handle may be used
 * from different threads at once, and tcp functions (epoll, poll, addresses) from any thread at any time.
 *    mango_socket_find(), the extensions at the end and all `create` functions are free of that rule.
 *  - Handles: null, destroyed, wrong-type or made-up handles give MANGO_STATUS_INVALID_HANDLE. Destroying one
 *    handle from two threads gives OK to one and INVALID_HANDLE to the other.
 *  - Arguments: a required pointer that is null gives MANGO_STATUS_INVALID_ARGUMENT. Out-parameters are
 * written on success only, unless said otherwise.
 *  - Signals: an interrupted call is resumed; SIGPIPE is never raised.
 *  - Blocking: a socket blocks until mango_socket_set_nonblocking(true). Functions not said to block do not.
 *  - Statuses listed under "Returns" are those to expect; any other -errno of the system call may come too.
 */
#ifndef LIBMANGO_H
#define LIBMANGO_H

#include <net/ethernet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "typedef.h"

#if defined(__GNUC__)
#define MANGO_API __attribute__((visibility("default")))
#else
#define MANGO_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* -------------------------------------------------------------------------------------------- context -- */

/* Creates a context that runs on the software engine until mango_context_set_hw_accel() says otherwise.
 * context: out. Returns OK, INVALID_ARGUMENT, NO_MEMORY. */
MANGO_API mango_status_e mango_context_create(mango_context_h* context);

/* Returns OK, INVALID_HANDLE, BUSY (a tcp or ipc handle still refers to it). */
MANGO_API mango_status_e mango_context_destroy(mango_context_h context);

/* Selects what the context runs on. accel: MANGO_HW_ACCEL_NONE (idx must be 0) or _DPU; idx: the device
 * number. Returns OK, INVALID_HANDLE, INVALID_ARGUMENT, BUSY (already in use), NOT_SUPPORTED (this library
 * has no DPU). */
MANGO_API mango_status_e mango_context_set_hw_accel(mango_context_h context, mango_hw_accel_e accel, int idx);

/* Asks whether the context can do something. The software engine has TOE and no RDMA. enabled: out.
 * Returns OK, INVALID_HANDLE, INVALID_ARGUMENT (unknown feature). */
MANGO_API mango_status_e mango_context_check_feature(mango_context_h context, mango_hw_feature_e feature,
                                                     bool* enabled);

/* "MAJOR.MINOR.PATCH" of the library. Static; never null. */
MANGO_API const char* mango_get_version(void);

/* ------------------------------------------------------------------------------------------------ ipc -- */
/* Every mango_ipc_* function returns NOT_SUPPORTED in this version: the device engine is not built in. */

/* Opens a channel. path: "host:port" is gRPC, "iceoryx:NAME" iceoryx; owner: true makes this process the
 * server. ipc: out. */
MANGO_API mango_status_e mango_ipc_open(const char* path, bool owner, mango_ipc_h* ipc);

/* Closes the channel and frees the handle. */
MANGO_API mango_status_e mango_ipc_close(mango_ipc_h ipc);

/* path: out, owned by the library, valid until mango_ipc_close(). */
MANGO_API mango_status_e mango_ipc_get_server_path(mango_ipc_h ipc, const char** path);

/* Reads a configuration field. value: out, to be freed with free(). */
MANGO_API mango_status_e mango_ipc_get_config(mango_ipc_h ipc, const char* field, char** value);

/* Writes a configuration field. */
MANGO_API mango_status_e mango_ipc_set_config(mango_ipc_h ipc, const char* field, const char* value);

/* Server: lets the channel answer messages about the context. */
MANGO_API mango_status_e mango_ipc_set_context(mango_ipc_h ipc, mango_context_h ctx);

/* Selects the device. idx: its number, from 0. */
MANGO_API mango_status_e mango_ipc_set_index(mango_ipc_h ipc, int idx);

/* Server: lets the channel answer messages about TCP. */
MANGO_API mango_status_e mango_ipc_set_tcp(mango_ipc_h ipc, mango_tcp_h tcp);

/* Server: stops answering; mango_ipc_wait() returns. */
MANGO_API mango_status_e mango_ipc_shutdown(mango_ipc_h ipc);

/* Server: blocks until mango_ipc_shutdown(). */
MANGO_API mango_status_e mango_ipc_wait(mango_ipc_h ipc);

/* Extension: the sentence behind the last failed mango_ipc_open() or mango_ipc_set_tcp() of the calling
 * thread. Never null; valid until the thread's next such call. */
MANGO_API const char* mango_ipc_error(void);

/* ------------------------------------------------------------------------------------------------ tcp -- */

/* Creates a tcp handle. It has no engine yet: call mango_tcp_set_context() or mango_tcp_set_ipc() next.
 * The reference's example passes the ipc handle first; that form compiles too (end of this file).
 * tcp: out. Returns OK, INVALID_ARGUMENT, NO_MEMORY. */
MANGO_API mango_status_e mango_tcp_create(mango_tcp_h* tcp);

/* Returns OK, INVALID_HANDLE, BUSY (sockets of it exist: destroy or detach them first). */
MANGO_API mango_status_e mango_tcp_destroy(mango_tcp_h tcp);

/* Runs tcp in this process, on the context's engine.
 * Returns OK, INVALID_HANDLE (either), BUSY (a context or an ipc is already set). */
MANGO_API mango_status_e mango_tcp_set_context(mango_tcp_h tcp, mango_context_h context);

/* Runs tcp on the device behind ipc. Exclusive with mango_tcp_set_context().
 * Returns NOT_SUPPORTED in this version. */
MANGO_API mango_status_e mango_tcp_set_ipc(mango_tcp_h tcp, mango_ipc_h ipc);

/* Sessions by number rather than by socket handle, the device's addresses and the device's reset belong to
 * the device engine: the functions from here to mango_tcp_poll() return NOT_SUPPORTED in this version. */

/* Device addresses. ipaddr, subnet, macaddr: out, each optional. */
MANGO_API mango_status_e mango_tcp_get_address(mango_tcp_h tcp, struct in_addr* ipaddr,
                                               struct in_addr* subnet, struct ether_addr* macaddr);

/* ipaddr: out, dotted decimal, in a buffer that the next call of the same thread overwrites. */
MANGO_API mango_status_e mango_tcp_get_ip_address(mango_tcp_h tcp, const char** ipaddr);

/* ipaddr: dotted decimal; macaddr: colon-separated hex. */
MANGO_API mango_status_e mango_tcp_set_address(mango_tcp_h tcp, const char* ipaddr, const char* macaddr);

/* addr: IPv4 address and port to listen on. */
MANGO_API mango_status_e mango_tcp_listen(mango_tcp_h tcp, struct sockaddr_in* addr);

/* addr: as given to mango_tcp_listen(). */
MANGO_API mango_status_e mango_tcp_listen_close(mango_tcp_h tcp, struct sockaddr_in* addr);

/* saddr: in: the listening address, out: the connection's; caddr: out, optional; session: out. */
MANGO_API mango_status_e mango_tcp_accept(mango_tcp_h tcp, struct sockaddr_in* saddr,
                                          struct sockaddr_in* caddr, bool non_blocking, int* session);

/* saddr: the server; caddr: out, our own address, optional; session: out. */
MANGO_API mango_status_e mango_tcp_connect(mango_tcp_h tcp, const struct sockaddr_in* saddr,
                                           struct sockaddr_in* caddr, int* session);

/* Orderly: FIN after the queued bytes. */
MANGO_API mango_status_e mango_tcp_close(mango_tcp_h tcp, int session);

/* RST now; the session id stays until mango_tcp_close(). */
MANGO_API mango_status_e mango_tcp_abort(mango_tcp_h tcp, int session);

/* timeout: microseconds; -1 waits for ever, 0 returns IN_PROGRESS at once. */
MANGO_API mango_status_e mango_tcp_session_reset(mango_tcp_h tcp, int session, suseconds_t timeout);

/* Blocks until everything sent on the session has been acknowledged. */
MANGO_API mango_status_e mango_tcp_wait(mango_tcp_h tcp, int session);

/* Resets the device; IN_PROGRESS until done. preserved: keep addresses. */
MANGO_API mango_status_e mango_tcp_reset(mango_tcp_h tcp, bool preserved);

/* reset runs once per device reset; null unregisters. */
MANGO_API mango_status_e mango_tcp_register_reset(mango_tcp_h tcp, mango_tcp_reset_fn* reset, void* param);

/* poll(2) over offloaded and ordinary descriptors. timeout: milliseconds, -1 for ever; num_events: out. */
MANGO_API mango_status_e mango_tcp_poll(mango_tcp_h tcp, struct pollfd* fds, nfds_t nfds, int timeout,
                                        int* num_events);

/* ---------------------------------------------------------------------------------------------- epoll -- */
/* Sockets are watched through their descriptor (mango_socket_get_fd), next to ordinary descriptors, level- or
 * edge-triggered or one-shot, in any number of sets. A set is an epoll descriptor the caller made. */

/* Adopts the caller's epoll descriptor epfd for use with tcp, taking it over if another tcp had it. The
 * caller keeps owning the descriptor. Returns OK, INVALID_HANDLE (tcp, or epfd is not open), INVALID_ARGUMENT
 * (not an epoll descriptor), TOO_MANY_FILES, NO_MEMORY. */
MANGO_API mango_status_e mango_tcp_epoll_create(mango_tcp_h tcp, int epfd);

/* epoll_ctl(2). op: EPOLL_CTL_ADD, _MOD, _DEL; event: as for epoll_ctl, null allowed for _DEL. A negative fd
 * means "the TCP socket itself", the listener of mango_tcp_listen(): NOT_SUPPORTED in this version. Returns
 * OK, INVALID_HANDLE (tcp or fd), INVALID_ARGUMENT (epfd not adopted by tcp), EXISTS, NOT_FOUND,
 * NOT_PERMITTED (fd cannot be watched), NO_MEMORY, NOT_SUPPORTED. */
MANGO_API mango_status_e mango_tcp_epoll_ctl(mango_tcp_h tcp, int epfd, int op, int fd,
                                             struct epoll_event* event);

/* epoll_wait(2), one system call. Blocks up to timeout milliseconds (-1 for ever, 0 not at all). event: array
 * of max_events > 0. num_events: out; 0 when the time passed or a signal interrupted the wait, so that a
 * caller sees what its signal handler did. Returns OK, INVALID_HANDLE, INVALID_ARGUMENT (epfd not adopted by
 * tcp, or max_events). */
MANGO_API mango_status_e mango_tcp_epoll_wait(mango_tcp_h tcp, int epfd, struct epoll_event* event,
                                              int max_events, int timeout, int* num_events);

/* Ends the adoption of epfd. The descriptor itself stays open: the caller made it, the caller closes it,
 * after this call. Returns OK, INVALID_HANDLE, NOT_FOUND (not adopted by tcp). */
MANGO_API mango_status_e mango_tcp_epoll_close(mango_tcp_h tcp, int epfd);

/* Returns OK when fd is an epoll descriptor adopted by tcp, else NOT_FOUND; INVALID_HANDLE. */
MANGO_API mango_status_e mango_tcp_epoll_check(mango_tcp_h tcp, int fd);

/* --------------------------------------------------------------------------------------- socket: life -- */

/* Makes a socket handle; no descriptor yet. socket: out.
 * Returns OK, INVALID_HANDLE, INVALID_ARGUMENT, NO_MEMORY. */
MANGO_API mango_status_e mango_socket_create(mango_tcp_h tcp, mango_socket_h* socket);

/* Frees the handle. A socket still open is closed first, as by mango_socket_close().
 * Returns OK, INVALID_HANDLE. */
MANGO_API mango_status_e mango_socket_destroy(mango_socket_h socket);

/* Gives the socket a descriptor (close-on-exec). fd: out, optional. A socket may be opened again after close.
 * The address family is settled by the first bind or connect: until then the descriptor is an IPv4 one, which
 * bind or connect to an IPv6 address replaces under the same number, keeping options and non-blocking mode.
 * (So register it with epoll after bind or connect.)
 * Returns OK, INVALID_HANDLE, BUSY (open already), INVALID_ARGUMENT (tcp has no engine), TOO_MANY_FILES,
 * SYSTEM_FILE_LIMIT, NO_BUFFERS, NO_MEMORY. */
MANGO_API mango_status_e mango_socket_open(mango_socket_h socket, int* fd);

/* Closes in order: what was sent still goes out, then FIN; never blocks. With TLS a close_notify goes first
 * if the handshake was done and the kernel takes it. Linux sends RST instead when received bytes were left
 * unread: to be sure that the peer gets the last bytes, shut down SHUT_WR and receive until the end first.
 * The descriptor and the session id are gone, the SSL object is detached (free it now), the handle stays
 * until mango_socket_destroy(). Returns OK, INVALID_HANDLE (also: not open). */
MANGO_API mango_status_e mango_socket_close(mango_socket_h socket);

/* Forgets the connection without touching it: the descriptor now belongs to the caller alone, in the blocking
 * mode it had, and the handle is as after mango_socket_close(). An attached SSL object is detached.
 * Returns OK, INVALID_HANDLE (also: not open), BUSY (TLS bytes are buffered here that the caller would lose).
 */
MANGO_API mango_status_e mango_socket_detach(mango_socket_h socket);

/* RST now: unsent and unread bytes are dropped, the peer sees ECONNRESET. Descriptor, handle and session id
 * stay until close; every later send, receive, connect or bind gives ABORTED, and epoll reports EPOLLHUP. On
 * a listener: stops listening. Returns OK (also when aborted already), INVALID_HANDLE (also: not open),
 * NOT_CONNECTED. */
MANGO_API mango_status_e mango_socket_abort(mango_socket_h socket);

/* As abort, and returns the session to the freshly opened state: it can bind, connect or listen again; local
 * address and attached SSL are dropped, options, non-blocking mode, descriptor and session id stay.
 * Asynchronous: IN_PROGRESS means call again; the kernel engine finishes within the first call. Epoll
 * registrations stay too, unless the socket had been bound: then the next bind, listen or connect puts a new
 * kernel socket under the descriptor. Returns OK, IN_PROGRESS, INVALID_HANDLE (also: not open). */
MANGO_API mango_status_e mango_socket_reset(mango_socket_h socket);

/* As mango_socket_reset(), blocking at most usec microseconds until done.
 * Returns OK, TIMED_OUT, INVALID_HANDLE (also: not open). */
MANGO_API mango_status_e mango_socket_reset_blocking(mango_socket_h socket, useconds_t usec);

/* shutdown(2). how: SHUT_RD, SHUT_WR, SHUT_RDWR. With TLS, closing the sending side sends close_notify first
 * and answers AGAIN (nothing shut down) while TLS bytes wait to be sent. Returns OK, AGAIN, NOT_CONNECTED,
 * ABORTED, INVALID_ARGUMENT, INVALID_HANDLE (also: not open). */
MANGO_API mango_status_e mango_socket_shutdown(mango_socket_h socket, int how);

/* --------------------------------------------------------------------------------- socket: connecting -- */

/* bind(2). addr: AF_INET or AF_INET6; addrlen: bytes.
 * Returns OK, INVALID_HANDLE (also: not open), ADDRESS_IN_USE, ADDRESS_NOT_AVAILABLE, ACCESS_DENIED,
 * FAMILY_NOT_SUPPORTED, INVALID_ARGUMENT (bound already), ABORTED. */
MANGO_API mango_status_e mango_socket_bind(mango_socket_h socket, const struct sockaddr* addr,
                                           socklen_t addrlen);

/* listen(2). backlog: connections waiting to be accepted, capped by the system.
 * Returns OK, INVALID_HANDLE (also: not open), ADDRESS_IN_USE, IS_CONNECTED, ABORTED. */
MANGO_API mango_status_e mango_socket_listen(mango_socket_h socket, int backlog);

/* Takes one waiting connection. addr, addrlen: the peer, optional, as for accept(2); client: out, an open,
 * connected socket that inherits the listener's non-blocking mode. Blocks until one is there; AGAIN when
 * non-blocking. One system call. Returns OK, AGAIN, ABORTED (that connection died while waiting: call again),
 * INVALID_ARGUMENT (not listening), TOO_MANY_FILES, SYSTEM_FILE_LIMIT, NO_BUFFERS, NO_MEMORY, INVALID_HANDLE.
 */
MANGO_API mango_status_e mango_socket_accept(mango_socket_h socket, struct sockaddr* addr, socklen_t* addrlen,
                                             mango_socket_h* client);

/* connect(2). Blocks until connected; a non-blocking socket answers IN_PROGRESS and becomes writable when
 * done, and calling again then gives the outcome: OK once, or the error. Returns OK, IN_PROGRESS, ALREADY,
 * IS_CONNECTED, CONNECTION_REFUSED, TIMED_OUT, NETWORK_UNREACHABLE, HOST_UNREACHABLE, ADDRESS_NOT_AVAILABLE,
 * FAMILY_NOT_SUPPORTED, ABORTED, INVALID_HANDLE (also: not open). */
MANGO_API mango_status_e mango_socket_connect(mango_socket_h socket, const struct sockaddr* addr,
                                              socklen_t addrlen);

/* --------------------------------------------------------------------------------------- socket: data -- */

/* Sends up to len bytes: one system call. sent: out, optional; bytes taken, which may be fewer than len when
 * non-blocking. Blocks until all are queued. Not for a socket with an SSL object: INVALID_ARGUMENT.
 * Returns OK, AGAIN, BROKEN_PIPE, CONNECTION_RESET, TIMED_OUT, NOT_CONNECTED, ABORTED, INVALID_HANDLE. */
MANGO_API mango_status_e mango_socket_send(mango_socket_h socket, const void* buf, size_t len, size_t* sent);

/* As mango_socket_send(), from iovcnt pieces (at most IOV_MAX). */
MANGO_API mango_status_e mango_socket_send_iov(mango_socket_h socket, const struct iovec* iov, int iovcnt,
                                               size_t* sent);

/* Receives up to len bytes: one system call. received: out; OK with 0 is the end of the stream (or len was
 * 0). Blocks until at least one byte is there. Not for a socket with an SSL object: INVALID_ARGUMENT. Returns
 * OK, AGAIN, CONNECTION_RESET, TIMED_OUT, NOT_CONNECTED, ABORTED, INVALID_HANDLE. */
MANGO_API mango_status_e mango_socket_recv(mango_socket_h socket, void* buf, size_t len, size_t* received);

/* As mango_socket_recv(), into iovcnt pieces (at most IOV_MAX). */
MANGO_API mango_status_e mango_socket_recv_iov(mango_socket_h socket, const struct iovec* iov, int iovcnt,
                                               size_t* received);

/* Bytes a receive would find. nbytes: out. With TLS an upper bound: bytes decrypted and waiting, plus
 * ciphertext buffered here or in the kernel. Returns OK, INVALID_ARGUMENT (listening), INVALID_HANDLE (also:
 * not open). */
MANGO_API mango_status_e mango_socket_get_num_avail(mango_socket_h socket, int* nbytes);

/* Blocks until the peer's TCP has acknowledged everything sent so far, whatever the blocking mode; the peer's
 * application may not have read it. TLS bytes not yet taken by the kernel are sent first.
 * Returns OK, CONNECTION_RESET, TIMED_OUT, NOT_CONNECTED, ABORTED, INVALID_HANDLE (also: not open). */
MANGO_API mango_status_e mango_socket_wait(mango_socket_h socket);

/* ---------------------------------------------------------------------------------------- socket: TLS -- */

/* Attaches an OpenSSL `SSL *`, of the same OpenSSL this library runs on, in any state: fresh (after
 * SSL_set_accept_state or SSL_set_connect_state), in the handshake, or done. Its BIOs are replaced. No
 * ownership is taken: free it after mango_socket_close(); freed earlier, it detaches itself. null detaches,
 * dropping TLS bytes buffered here. Pair with SSL_MODE_RELEASE_BUFFERS to keep nothing per idle connection.
 * Returns OK, BUSY (another SSL is attached), INVALID_HANDLE (also: not open), NO_MEMORY. */
MANGO_API mango_status_e mango_socket_set_ssl(mango_socket_h socket, void* ssl);

/* Sends as TLS records. Drives the handshake first if it is not done. Takes at most 256 KiB of buf in one
 * call and hands the records to the kernel at once. sent: out, optional; OK with *sent < len: go on with the
 * rest. AGAIN: if SSL_want() is SSL_READING wait until readable, else until writable; then repeat the call
 * with the same bytes (the buffer may have moved, more may follow them): they may be encrypted already, and
 * OK counts them once the last has left. Fewer bytes than that are INVALID_ARGUMENT. len 0 only drives the
 * handshake and flushes. Unless non-blocking, blocks until all len bytes have been queued, in as many rounds
 * as that takes. Returns OK, AGAIN, TLS, TLS_TRUNCATED (in the handshake), INVALID_ARGUMENT (no SSL
 * attached), BROKEN_PIPE, CONNECTION_RESET, TIMED_OUT, ABORTED, INVALID_HANDLE. After TLS the details are in
 * the thread's OpenSSL error queue and our alert, if one is due, is on its way. */
MANGO_API mango_status_e mango_socket_send_tls(mango_socket_h socket, const void* buf, size_t len,
                                               size_t* sent);

/* Receives decrypted bytes. Drives the handshake first if it is not done. Decrypts records until buf is full
 * or none is complete. received: out. *received == len: call again, more may be buffered here; 0 < *received
 * < len: no complete record is left here, wait for readability (level-triggered is enough; with
 * edge-triggered epoll also watch EPOLLRDHUP and call until AGAIN). A close_notify that came right behind the
 * data is reported by the next call; SSL_get_shutdown() tells it at once. OK with 0 is the peer's
 * close_notify (or len was 0, which only drives the handshake). AGAIN: if SSL_want() is SSL_WRITING wait
 * until writable, else until readable. Blocks until at least one byte is there unless non-blocking. Returns
 * OK, AGAIN, TLS (see mango_socket_send_tls), TLS_TRUNCATED (FIN without close_notify), INVALID_ARGUMENT (no
 * SSL attached), CONNECTION_RESET, TIMED_OUT, NOT_CONNECTED, ABORTED, INVALID_HANDLE. */
MANGO_API mango_status_e mango_socket_recv_tls(mango_socket_h socket, void* buf, size_t len,
                                               size_t* received);

/* ------------------------------------------------------------------------------ socket: facts, options -- */

/* fd: out, the descriptor: for epoll and poll, and for reading facts. Closing it behind the library's back is
 * an error. Returns OK, INVALID_HANDLE (also: not open). */
MANGO_API mango_status_e mango_socket_get_fd(mango_socket_h socket, int* fd);

/* The open socket that owns descriptor fd. socket: out, optional. Any thread.
 * Returns OK, NOT_FOUND. */
MANGO_API mango_status_e mango_socket_find(int fd, mango_socket_h* socket);

/* session: out, the session id: on the kernel engine the descriptor's number, unique while the socket is
 * open. Returns OK, INVALID_HANDLE (also: not open). */
MANGO_API mango_status_e mango_socket_get_session(mango_socket_h socket, int* session);

/* getsockname(2). addrlen: in: room in addr, out: the address's size. Returns OK, INVALID_HANDLE (also: not
 * open). */
MANGO_API mango_status_e mango_socket_get_name(mango_socket_h socket, struct sockaddr* addr,
                                               socklen_t* addrlen);

/* getpeername(2). Returns OK, NOT_CONNECTED, INVALID_HANDLE (also: not open). */
MANGO_API mango_status_e mango_socket_get_peername(mango_socket_h socket, struct sockaddr* addr,
                                                   socklen_t* addrlen);

/* getsockopt(2) of any level. Returns OK, UNKNOWN_OPTION, INVALID_ARGUMENT, INVALID_HANDLE (also: not open).
 */
MANGO_API mango_status_e mango_socket_get_option(mango_socket_h socket, int level, int optname, void* optval,
                                                 socklen_t* optlen);

/* setsockopt(2) of any level. Before the first bind or connect, IPV6-level options are remembered and applied
 * when the address turns out to be IPv6. Returns OK, UNKNOWN_OPTION, INVALID_ARGUMENT, NOT_PERMITTED,
 * NO_MEMORY, INVALID_HANDLE (also: not open). */
MANGO_API mango_status_e mango_socket_set_option(mango_socket_h socket, int level, int optname,
                                                 const void* optval, socklen_t optlen);

/* enable: true makes every call that would block answer AGAIN (connect: IN_PROGRESS).
 * Returns OK, INVALID_HANDLE (also: not open). */
MANGO_API mango_status_e mango_socket_set_nonblocking(mango_socket_h socket, bool enable);

/* TCP sequence numbers. tx: out, next to be sent; rx: out, next expected. Needs CAP_NET_ADMIN.
 * Returns NOT_SUPPORTED in this version. */
MANGO_API mango_status_e mango_socket_get_sequence(mango_socket_h socket, uint32_t* tx, uint32_t* rx);

/* ----------------------------------------------------------------------------------------- extensions -- */
/* Ours: look these up as optional when loading the vendor's library. Any thread, unless said otherwise. */

/* "MANGO_STATUS_AGAIN", or the errno's name ("EDOM"), or "unknown". Static; never null. */
MANGO_API const char* mango_status_name(mango_status_e status);

/* One sentence in English. Static; never null. */
MANGO_API const char* mango_status_message(mango_status_e status);

/* What the whole process did so far. counters: out; size: sizeof(*counters) as the caller was compiled, so
 * that fields can be added. Sums per-thread blocks: cheap for the threads counted, not atomic as a whole.
 * Returns OK, INVALID_ARGUMENT. */
MANGO_API mango_status_e mango_get_counters(mango_counters_t* counters, size_t size);

/* Goes on with a TLS session without its SSL object, in the spirit of Linux' kTLS: from here on
 * mango_socket_send_tls() and _recv_tls() protect records themselves, with the same meaning, from the
 * caller's bytes to the wire and back. Some 400 bytes per session remain. keys: copied; wipe your copy. An
 * attached SSL must have finished its handshake, hold no bytes (SSL_has_pending) and not be shut down; it is
 * detached, free it now. Ciphertext received already is kept. Without an SSL the caller has done the
 * handshake himself.
 *
 * Afterwards close_notify, alerts and KeyUpdate are taken care of, and a client's session tickets are
 * dropped; AGAIN of recv waits for readability, AGAIN of send for room. Renegotiation, warning alerts and
 * more than 32 records in a row without content fail with TLS.
 *
 * Suites: TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384 and TLS_CHACHA20_POLY1305_SHA256 of TLS 1.3;
 * ECDHE-{ECDSA,RSA}-{AES128-GCM-SHA256,AES256-GCM-SHA384,CHACHA20-POLY1305} of TLS 1.2. Thread: the socket's.
 * Returns OK; else nothing has changed: NOT_SUPPORTED (version or suite), INVALID_ARGUMENT (the SSL is not
 * ready, or keys are set already), NO_MEMORY, TLS and others (the session had failed), INVALID_HANDLE (also:
 * not open). */
MANGO_API mango_status_e mango_socket_set_tls_keys(mango_socket_h socket, const mango_tls_keys_t* keys);

#ifdef __cplusplus
} /* extern "C" */
#endif

/* The reference's example calls mango_tcp_create(ipc, &tcp) and then mango_tcp_set_ipc(tcp, ipc), against its
 * own signature. Both forms compile; the extra handle is ignored, since set_ipc follows. Define
 * MANGO_NO_TCP_CREATE_OVERLOAD to have the one-argument function only (decltype of an overload set is an
 * error). */
#ifndef MANGO_NO_TCP_CREATE_OVERLOAD
#ifdef __cplusplus
inline mango_status_e mango_tcp_create(mango_ipc_h, mango_tcp_h* tcp) {
  return mango_tcp_create(tcp);
}
#else
static inline mango_status_e mango_tcp_create_1(mango_tcp_h* tcp) {
  return mango_tcp_create(tcp);
}
static inline mango_status_e mango_tcp_create_2(mango_ipc_h ipc, mango_tcp_h* tcp) {
  (void)ipc;
  return mango_tcp_create(tcp);
}
#define MANGO_TCP_CREATE_PICK(a, b, name, ...) name
#define mango_tcp_create(...) \
  MANGO_TCP_CREATE_PICK(__VA_ARGS__, mango_tcp_create_2, mango_tcp_create_1, 0)(__VA_ARGS__)
#endif
#endif

#endif /* LIBMANGO_H */
