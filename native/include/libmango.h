/* SPDX-License-Identifier: Apache-2.0
 *
 * libmango: TCP on an offload engine, for programs that want more than LD_PRELOAD gives. C11 and C++17.
 *
 * Signatures are the vendor's (MangoBoost SDK, "TCP/IP Offload"); the vendor's header is not public, so where
 * its reference is silent the comments here say what this implementation does. Three handles: IPC (the
 * channel to the process that runs a device), TCP (one device's connections), socket (one session and its
 * buffers).
 *
 * Two engines carry a tcp handle's sockets, with the same meaning:
 *  - kernel (mango_tcp_set_context): Linux TCP in this process. A socket is a kernel socket.
 *  - device (mango_tcp_set_ipc): TCP in another process, the device's, on this machine. Bytes move through
 *    shared memory; a socket's descriptor is a real one, too, for epoll, poll, select, dup and fork, but not
 *    for read(2) and write(2).
 * What is said of one engine only says so.
 *
 * Rules for every function, not repeated below:
 *  - Threads: one handle is used from one thread at a time; different sockets of one tcp handle may be used
 *    from different threads at once, and tcp and ipc functions from any thread at any time.
 *    mango_socket_find(), the extensions at the end and all `create` functions are free of that rule. A
 *    socket may be closed by two threads at once, and reset with its tcp handle while others use it.
 *  - Handles: null, destroyed, wrong-type or made-up handles give MANGO_STATUS_INVALID_HANDLE. Destroying one
 *    handle from two threads gives OK to one and INVALID_HANDLE to the other.
 *  - Arguments: a required pointer that is null gives MANGO_STATUS_INVALID_ARGUMENT. Out-parameters are
 *    written on success only, unless said otherwise.
 *  - Signals: an interrupted call is resumed; SIGPIPE is never raised.
 *  - Blocking: a socket blocks until mango_socket_set_nonblocking(true). Functions not said to block do not,
 *    except that on the device engine some ask the device's process and wait for its answer.
 *  - Statuses listed under "Returns" are those to expect; any other -errno of the system call may come too.
 *  - Device: after mango_tcp_reset(), or when the device's process has ended, every call on a socket of the
 *    handle, closing and asking for its descriptor excepted, gives MANGO_STATUS_DEVICE_RESET; the descriptor
 *    is hung up (EPOLLHUP), and who was blocked returns. mango_socket_close() and _open() begin a new life. A
 *    call that needs the device's process and does not find it gives MANGO_STATUS_IPC_UNAVAILABLE.
 *  - Fork: a child may use what it inherited. On the device engine it makes a channel of its own when it
 *    needs one, and a session goes on while any process has its descriptor open.
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
/* A channel to the process that runs devices, or, for its owner, that process's own. Messages over it control
 * (configuration, listening, connecting); bytes of sessions do not travel here. */

/* Opens a channel. path: "host:port" is gRPC (the reference's port is 32847; "[::1]:port" for IPv6),
 * "iceoryx:NAME" is iceoryx, where its plug-in was built; the device must be on this machine, since its
 * sessions live in shared memory. owner: true makes this process the server; port 0 is a port of the
 * system's choice, see mango_ipc_get_server_path(). ipc: out. A client's call blocks until the server has
 * answered, a few seconds at most; the channel connects again by itself when the server was restarted.
 * Returns OK, INVALID_ARGUMENT (path is of neither form), IPC_UNAVAILABLE (nobody answers), ADDRESS_IN_USE
 * and other errors of bind(2) (owner), NOT_SUPPORTED (the plug-in is not there; mango_ipc_error() says more),
 * NO_MEMORY. */
MANGO_API mango_status_e mango_ipc_open(const char* path, bool owner, mango_ipc_h* ipc);

/* Closes the channel and frees the handle. An owner's devices end with their last channel: sessions with RST,
 * listeners too, and a mango_ipc_wait() under way returns. Returns OK, INVALID_HANDLE, BUSY (a tcp handle
 * runs on it: destroy that first). */
MANGO_API mango_status_e mango_ipc_close(mango_ipc_h ipc);

/* path: out, as given to mango_ipc_open(), with the port that was bound; owned by the library, valid until
 * mango_ipc_close(). Returns OK, INVALID_HANDLE. */
MANGO_API mango_status_e mango_ipc_get_server_path(mango_ipc_h ipc, const char** path);

/* Reads a configuration field of the selected device. field: "device.fields" lists them, one per line with
 * "ro", "rw" or "wo": addresses, limits, buffer sizes, counters. value: out, to be freed with free(). On an
 * owner's channel, before mango_ipc_set_tcp(), the fields are the options the device will start with. Returns
 * OK, INVALID_HANDLE, NOT_FOUND (no such field, or no such device), IPC_UNAVAILABLE, TIMED_OUT, NO_MEMORY. */
MANGO_API mango_status_e mango_ipc_get_config(mango_ipc_h ipc, const char* field, char** value);

/* Writes a configuration field of the selected device; who may is the device's decision ("device.access").
 * Returns OK, INVALID_HANDLE, INVALID_ARGUMENT (a bad value: nothing changed), NOT_FOUND (no such field, or
 * no such device), NOT_PERMITTED (read only, or the device has no right), ACCESS_DENIED, IPC_UNAVAILABLE,
 * TIMED_OUT, NO_MEMORY. */
MANGO_API mango_status_e mango_ipc_set_config(mango_ipc_h ipc, const char* field, const char* value);

/* Owner: the context whose devices the channel serves. Returns OK, INVALID_HANDLE (either), BUSY (another one
 * is set), NOT_SUPPORTED (a client's channel). */
MANGO_API mango_status_e mango_ipc_set_context(mango_ipc_h ipc, mango_context_h ctx);

/* Selects the device that the calls after it are about: configuration, mango_ipc_set_tcp(),
 * mango_tcp_set_ipc(). idx: its number, from 0, which is selected to begin with. Returns OK, INVALID_HANDLE,
 * INVALID_ARGUMENT (negative, or on an owner's channel more than 63). */
MANGO_API mango_status_e mango_ipc_set_index(mango_ipc_h ipc, int idx);

/* Owner: starts the selected device with the options set, for clients to run on. tcp: a handle with a
 * context; its reset function runs at every reset of the device, on the device's thread. A handle that
 * another channel serves already is served by both. Returns OK, INVALID_HANDLE (either), INVALID_ARGUMENT
 * (tcp has no context, or is served under another index), BUSY (the index has a device, or options were set
 * for one that runs), NOT_SUPPORTED (a client's channel), NOT_FOUND and NOT_PERMITTED (its network
 * namespace), and other errors of starting: mango_ipc_error() says which. */
MANGO_API mango_status_e mango_ipc_set_tcp(mango_ipc_h ipc, mango_tcp_h tcp);

/* Owner: stops answering; mango_ipc_wait() returns. Sessions go on until mango_ipc_close(). Returns OK (also
 * when it was shut down already), INVALID_HANDLE, NOT_SUPPORTED (a client's channel). */
MANGO_API mango_status_e mango_ipc_shutdown(mango_ipc_h ipc);

/* Owner: blocks until mango_ipc_shutdown() or mango_ipc_close() of another thread. Returns OK,
 * INVALID_HANDLE, NOT_SUPPORTED (a client's channel). */
MANGO_API mango_status_e mango_ipc_wait(mango_ipc_h ipc);

/* ------------------------------------------------------------------------------------------------ tcp -- */

/* Creates a tcp handle. It has no engine yet: call mango_tcp_set_context() or mango_tcp_set_ipc() next.
 * The reference's example passes the ipc handle first; that form compiles too (end of this file).
 * tcp: out. Returns OK, INVALID_ARGUMENT, NO_MEMORY. */
MANGO_API mango_status_e mango_tcp_create(mango_tcp_h* tcp);

/* Returns OK, INVALID_HANDLE, BUSY (sockets or listeners of it exist: destroy or close them first; or an ipc
 * handle serves it, or a call on it is under way). */
MANGO_API mango_status_e mango_tcp_destroy(mango_tcp_h tcp);

/* Runs tcp in this process, on the context's engine. Exclusive with mango_tcp_set_ipc().
 * Returns OK, INVALID_HANDLE (either), BUSY (a context or an ipc is already set). */
MANGO_API mango_status_e mango_tcp_set_context(mango_tcp_h tcp, mango_context_h context);

/* Runs tcp on the device that is selected on ipc now, a client's channel, which stays busy until tcp is
 * destroyed. Exclusive with mango_tcp_set_context(). Blocks until the device has answered. Returns OK,
 * INVALID_HANDLE (either), INVALID_ARGUMENT (an owner's channel), BUSY (a context or an ipc is already set),
 * IPC_UNAVAILABLE, NOT_FOUND (no such device), ACCESS_DENIED, NO_MEMORY. After a failure tcp is as before. */
MANGO_API mango_status_e mango_tcp_set_ipc(mango_tcp_h tcp, mango_ipc_h ipc);

/* Addresses. Kernel engine: those of the first interface, loopback excepted, that is up and has an IPv4
 * address, else the loopback's. Device: the device's. ipaddr, subnet (a mask), macaddr: out, each optional;
 * zero where there is none. Returns OK, INVALID_HANDLE, INVALID_ARGUMENT (tcp has no engine), NOT_FOUND (no
 * interface), NO_MEMORY; device: IPC_UNAVAILABLE. */
MANGO_API mango_status_e mango_tcp_get_address(mango_tcp_h tcp, struct in_addr* ipaddr,
                                               struct in_addr* subnet, struct ether_addr* macaddr);

/* ipaddr: out, dotted decimal, in a buffer that the next call of the same thread overwrites. Returns as
 * mango_tcp_get_address(). */
MANGO_API mango_status_e mango_tcp_get_ip_address(mango_tcp_h tcp, const char** ipaddr);

/* Replaces the address of that interface, and its MAC; each may be null, and stays. On the kernel engine this
 * is the host's own interface, the first that is up where none has an address yet. ipaddr: dotted decimal,
 * with or without "/prefix" (without: the mask stays, or /24); macaddr: six octets in hexadecimal, colons
 * between. Both or neither; sessions of the old address go silent. Returns OK, INVALID_HANDLE,
 * INVALID_ARGUMENT (no such address, multicast, both null, or tcp has no engine), NOT_PERMITTED (needs
 * CAP_NET_ADMIN; device: not its own to change), NOT_SUPPORTED (there is only a loopback, or the driver keeps
 * its MAC), BUSY (the driver wants the interface down first), EXISTS, NO_MEMORY; device: IPC_UNAVAILABLE,
 * ACCESS_DENIED. */
MANGO_API mango_status_e mango_tcp_set_address(mango_tcp_h tcp, const char* ipaddr, const char* macaddr);

/* Sessions by number. The number is the descriptor's (mango_socket_get_session), mango_socket_find() lends
 * the socket handle for sending and receiving, and mango_tcp_close() frees it. A number that is no session of
 * tcp gives NOT_FOUND. */

/* Listens. addr: an IPv4 address and port; port 0 is one of the system's choice, written back. Several
 * listeners may exist; an address whose listener died in a reset may be given again. SO_REUSEADDR is set.
 * Returns OK, INVALID_HANDLE, INVALID_ARGUMENT (tcp has no engine), FAMILY_NOT_SUPPORTED, ADDRESS_IN_USE,
 * ADDRESS_NOT_AVAILABLE, ACCESS_DENIED, TOO_MANY_FILES, NO_MEMORY. */
MANGO_API mango_status_e mango_tcp_listen(mango_tcp_h tcp, struct sockaddr_in* addr);

/* Stops listening: the port is free, threads in mango_tcp_accept() return ABORTED, accepted sessions go on.
 * addr: as given to mango_tcp_listen(), or as it came back. Returns OK, INVALID_HANDLE, NOT_FOUND. */
MANGO_API mango_status_e mango_tcp_listen_close(mango_tcp_h tcp, struct sockaddr_in* addr);

/* Takes one waiting connection; any number of threads may. saddr: in: the listener's address, or that of a
 * connection which came to a listener on all addresses; with port 0, the listener made last; out: the
 * connection's own address. caddr: out, optional, the peer's. non_blocking: AGAIN rather than waiting, and
 * the session does not block either (mango_socket_set_nonblocking). session: out. Returns OK, AGAIN,
 * NOT_FOUND (no such listener), ABORTED (the listener was closed meanwhile, or that connection died while
 * waiting), DEVICE_RESET, TOO_MANY_FILES, SYSTEM_FILE_LIMIT, NO_BUFFERS, NO_MEMORY, INVALID_HANDLE. */
MANGO_API mango_status_e mango_tcp_accept(mango_tcp_h tcp, struct sockaddr_in* saddr,
                                          struct sockaddr_in* caddr, bool non_blocking, int* session);

/* Connects; blocks until it is done. saddr: the server, IPv4; caddr: out, our own address, optional; session:
 * out, a blocking one. Returns OK, INVALID_HANDLE, INVALID_ARGUMENT (tcp has no engine), CONNECTION_REFUSED,
 * TIMED_OUT, NETWORK_UNREACHABLE, HOST_UNREACHABLE, ADDRESS_NOT_AVAILABLE, FAMILY_NOT_SUPPORTED,
 * TOO_MANY_FILES, NO_MEMORY, DEVICE_RESET. */
MANGO_API mango_status_e mango_tcp_connect(mango_tcp_h tcp, const struct sockaddr_in* saddr,
                                           struct sockaddr_in* caddr, int* session);

/* As mango_socket_close(): FIN after the queued bytes. The handle of a session made by mango_tcp_accept() or
 * _connect() is freed, one that mango_socket_create() made stays the caller's. Returns OK, INVALID_HANDLE,
 * NOT_FOUND. */
MANGO_API mango_status_e mango_tcp_close(mango_tcp_h tcp, int session);

/* As mango_socket_abort(): RST now; the session id stays until mango_tcp_close(). Returns OK, INVALID_HANDLE,
 * NOT_FOUND, NOT_CONNECTED, DEVICE_RESET. */
MANGO_API mango_status_e mango_tcp_abort(mango_tcp_h tcp, int session);

/* As mango_socket_reset(). timeout: microseconds to wait for the end of it; -1 waits for ever, 0 not at all.
 * Returns OK, IN_PROGRESS (timeout 0: call again), TIMED_OUT, INVALID_ARGUMENT (timeout below -1),
 * INVALID_HANDLE, NOT_FOUND, DEVICE_RESET. */
MANGO_API mango_status_e mango_tcp_session_reset(mango_tcp_h tcp, int session, suseconds_t timeout);

/* As mango_socket_wait(): blocks until everything sent on the session has been acknowledged. Returns OK,
 * INVALID_HANDLE, NOT_FOUND, CONNECTION_RESET, TIMED_OUT, NOT_CONNECTED, ABORTED, DEVICE_RESET. */
MANGO_API mango_status_e mango_tcp_wait(mango_tcp_h tcp, int session);

/* Resets the device. The first call ends every session and listener with DEVICE_RESET: peers see RST,
 * descriptors are hung up, blocked calls return. Kernel engine: those of this handle; device: those of all
 * its clients. It answers IN_PROGRESS; call again until OK. The call that answers OK has put the addresses
 * back to what they were before the first mango_tcp_set_address(), unless preserved says to keep them (what
 * the first call said counts), and has run the reset function. One thread at a time resets a handle. Returns
 * OK, IN_PROGRESS, INVALID_HANDLE, INVALID_ARGUMENT (tcp has no engine); kernel: what putting an address back
 * gave; device: IPC_UNAVAILABLE, ACCESS_DENIED. */
MANGO_API mango_status_e mango_tcp_reset(mango_tcp_h tcp, bool preserved);

/* reset runs once per mango_tcp_reset() of this handle, in the thread of the call that answers OK, with
 * nothing locked: it may close sockets, open and listen anew, but not destroy tcp. (For a handle that is
 * served, see mango_ipc_set_tcp().) param: passed on. null unregisters. Returns OK, INVALID_HANDLE. */
MANGO_API mango_status_e mango_tcp_register_reset(mango_tcp_h tcp, mango_tcp_reset_fn* reset, void* param);

/* poll(2) over sockets' descriptors and ordinary ones; a negative descriptor is skipped. Blocks up to timeout
 * milliseconds (-1 for ever, 0 not at all). num_events: out, entries with revents; 0 when the time passed or
 * a signal interrupted the wait. TLS bytes decrypted already do not make a socket readable. Returns OK,
 * INVALID_HANDLE, INVALID_ARGUMENT (nfds beyond the descriptor limit), NO_MEMORY. */
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
 * means "the TCP socket itself": the listener that mango_tcp_listen() made last and that is not closed yet.
 * Returns OK, INVALID_HANDLE (tcp or fd), INVALID_ARGUMENT (epfd not adopted by tcp), EXISTS, NOT_FOUND (fd
 * is not in the set, or there is no listener), NOT_PERMITTED (fd cannot be watched), NO_MEMORY. */
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
 * (So register it with epoll after bind or connect.) Device: asks the device for a session; blocks for that.
 * Returns OK, INVALID_HANDLE, BUSY (open already), INVALID_ARGUMENT (tcp has no engine), TOO_MANY_FILES,
 * SYSTEM_FILE_LIMIT, NO_BUFFERS (device: it has no more sessions), NO_MEMORY, IPC_UNAVAILABLE. */
MANGO_API mango_status_e mango_socket_open(mango_socket_h socket, int* fd);

/* Closes in order: what was sent still goes out, then FIN; never blocks. With TLS a close_notify goes first
 * if the handshake was done and the kernel takes it. Linux sends RST instead when received bytes were left
 * unread: to be sure that the peer gets the last bytes, shut down SHUT_WR and receive until the end first.
 * The descriptor and the session id are gone, the SSL object is detached (free it now), the handle stays
 * until mango_socket_destroy(). Returns OK, INVALID_HANDLE (also: not open). */
MANGO_API mango_status_e mango_socket_close(mango_socket_h socket);

/* Forgets the connection without touching it: the descriptor now belongs to the caller alone, in the blocking
 * mode it had, and the handle is as after mango_socket_close(). An attached SSL object is detached. Device:
 * the connection's own kernel socket takes the place of the descriptor, which must be registered with epoll
 * anew. Returns OK, INVALID_HANDLE (also: not open), BUSY (bytes are buffered here, of TLS or in a device's
 * rings, that the caller would lose: receive them, mango_socket_wait(), try again), DEVICE_RESET. */
MANGO_API mango_status_e mango_socket_detach(mango_socket_h socket);

/* RST now: unsent and unread bytes are dropped, the peer sees ECONNRESET. Descriptor, handle and session id
 * stay until close; every later send, receive, connect or bind gives ABORTED, and epoll reports EPOLLHUP. On
 * a listener: stops listening. Returns OK (also when aborted already), INVALID_HANDLE (also: not open),
 * NOT_CONNECTED. */
MANGO_API mango_status_e mango_socket_abort(mango_socket_h socket);

/* As abort, and returns the session to the freshly opened state: it can bind, connect or listen again; local
 * address and attached SSL are dropped, options, non-blocking mode, descriptor and session id stay.
 * Asynchronous: IN_PROGRESS means call again; both engines here finish within the first call. Epoll
 * registrations stay too on the kernel engine, unless the socket had been bound: then the next bind, listen
 * or connect puts a new kernel socket under the descriptor; on the device they are gone at once. Returns OK,
 * IN_PROGRESS, INVALID_HANDLE (also: not open), DEVICE_RESET, IPC_UNAVAILABLE. */
MANGO_API mango_status_e mango_socket_reset(mango_socket_h socket);

/* As mango_socket_reset(), blocking at most usec microseconds until done.
 * Returns OK, TIMED_OUT, INVALID_HANDLE (also: not open), DEVICE_RESET, IPC_UNAVAILABLE. */
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

/* Sends up to len bytes: one system call (device: none, unless somebody must be woken). sent: out, optional;
 * bytes taken, which may be fewer than len when non-blocking. Blocks until all are queued. Not for a socket
 * with an SSL object: INVALID_ARGUMENT. Returns OK, AGAIN, BROKEN_PIPE, CONNECTION_RESET, TIMED_OUT,
 * NOT_CONNECTED, ABORTED, INVALID_HANDLE. */
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

/* session: out, the session id: the descriptor's number, unique in this process while the socket is
 * open. Returns OK, INVALID_HANDLE (also: not open). */
MANGO_API mango_status_e mango_socket_get_session(mango_socket_h socket, int* session);

/* getsockname(2). addrlen: in: room in addr, out: the address's size. Returns OK, INVALID_HANDLE (also: not
 * open). */
MANGO_API mango_status_e mango_socket_get_name(mango_socket_h socket, struct sockaddr* addr,
                                               socklen_t* addrlen);

/* getpeername(2). Returns OK, NOT_CONNECTED, INVALID_HANDLE (also: not open). */
MANGO_API mango_status_e mango_socket_get_peername(mango_socket_h socket, struct sockaddr* addr,
                                                   socklen_t* addrlen);

/* getsockopt(2) of any level; on the device, of what its TCP answers for. Returns OK, UNKNOWN_OPTION,
 * INVALID_ARGUMENT, INVALID_HANDLE (also: not open).
 */
MANGO_API mango_status_e mango_socket_get_option(mango_socket_h socket, int level, int optname, void* optval,
                                                 socklen_t* optlen);

/* setsockopt(2) of any level; on the device, of the options of TCP, IP and SOL_SOCKET that are safe to pass
 * on (others: UNKNOWN_OPTION). Before the first bind or connect, IPV6-level options are remembered and
 * applied when the address turns out to be IPv6. Returns OK, UNKNOWN_OPTION, INVALID_ARGUMENT, NOT_PERMITTED,
 * NO_MEMORY, INVALID_HANDLE (also: not open). */
MANGO_API mango_status_e mango_socket_set_option(mango_socket_h socket, int level, int optname,
                                                 const void* optval, socklen_t optlen);

/* enable: true makes every call that would block answer AGAIN (connect: IN_PROGRESS).
 * Returns OK, INVALID_HANDLE (also: not open). */
MANGO_API mango_status_e mango_socket_set_nonblocking(mango_socket_h socket, bool enable);

/* TCP sequence numbers. tx: out, of the next byte sent on this socket from now on (device: of the next byte
 * its TCP gets; bytes may still be in the ring); rx: out, of the next byte expected from the peer. Reads them
 * through TCP_REPAIR, which needs CAP_NET_ADMIN, of the device's process on that engine; no other thread may
 * use the socket meanwhile, and the connection goes on as before. Returns OK, NOT_PERMITTED, NOT_CONNECTED,
 * ABORTED, DEVICE_RESET, INVALID_HANDLE (also: not open). */
MANGO_API mango_status_e mango_socket_get_sequence(mango_socket_h socket, uint32_t* tx, uint32_t* rx);

/* ----------------------------------------------------------------------------------------- extensions -- */
/* Ours: look these up as optional when loading the vendor's library. Any thread, unless said otherwise. */

/* "MANGO_STATUS_AGAIN", or the errno's name ("EDOM"), or "unknown". Static; never null. */
MANGO_API const char* mango_status_name(mango_status_e status);

/* One sentence in English. Static; never null. */
MANGO_API const char* mango_status_message(mango_status_e status);

/* The sentence behind the last failed mango_ipc_open() or mango_ipc_set_tcp() of the calling thread. Never
 * null; valid until the thread's next such call. */
MANGO_API const char* mango_ipc_error(void);

/* What the whole process did so far. counters: out; size: sizeof(*counters) as the caller was compiled, so
 * that fields can be added. Sums per-thread blocks: cheap for the threads counted, not atomic as a whole.
 * Returns OK, INVALID_ARGUMENT. */
MANGO_API mango_status_e mango_get_counters(mango_counters_t* counters, size_t size);

/* Promises that the sockets of tcp in the epoll set epfd (adopted by tcp) are waited for through
 * mango_tcp_epoll_wait(tcp, epfd) alone: their descriptors are in no other set and not polled, the set itself
 * is not watched by another, and a forked child makes sets of its own. (Blocking calls are fine.) In return
 * the device engine tells through shared memory which of them are readable, several at a time, instead of by
 * a system call for each. The kernel engine has nothing to gain. With EPOLLET, readability is told again once
 * the socket has been read empty (as epoll(7) wants it to be). Call it before the first socket is added.
 * Ends with mango_tcp_epoll_close(). Returns OK, INVALID_HANDLE, INVALID_ARGUMENT (epfd not adopted by tcp).
 */
MANGO_API mango_status_e mango_tcp_epoll_set_exclusive(mango_tcp_h tcp, int epfd);

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
