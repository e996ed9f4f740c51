/* SPDX-License-Identifier: Apache-2.0
 *
 * Types of the libmango API: handles, statuses, enumerations, callbacks. Included by libmango.h; C11 and
 * C++17.
 *
 * The vendor publishes names, not values. Values here are ours: a status equals -errno wherever an errno says
 * the same thing, so that a POSIX wrapper can do `errno = -status`; statuses without an errno start at -2000.
 */
#ifndef MANGO_TYPEDEF_H
#define MANGO_TYPEDEF_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Hidden by strict -std=c11; the identical redefinition is harmless where it is not. */
typedef unsigned int useconds_t;

#ifdef __cplusplus
extern "C" {
#endif

/* Handles are opaque numbers, not pointers: never dereference one. A null, destroyed, wrong-type or made-up
 * handle is answered with MANGO_STATUS_INVALID_HANDLE. */
typedef void* mango_context_h; /* a device, or the software engine */
typedef void* mango_ipc_h;     /* a channel to the process that runs the device */
typedef void* mango_tcp_h;     /* one device's TCP */
typedef void* mango_socket_h;  /* one TCP session */

/* 0 is success, negative is failure. Any function may also answer with the negative of an errno that has no
 * name below; mango_status_name() knows them too. */
typedef enum _mango_status {
  MANGO_STATUS_OK = 0,
  MANGO_STATUS_NOT_PERMITTED = -EPERM,
  MANGO_STATUS_NOT_FOUND = -ENOENT,
  MANGO_STATUS_INTERRUPTED = -EINTR,
  MANGO_STATUS_IO = -EIO,
  MANGO_STATUS_INVALID_HANDLE = -EBADF,
  MANGO_STATUS_AGAIN = -EAGAIN, /* would block, or a timeout set with SO_RCVTIMEO/SO_SNDTIMEO passed */
  MANGO_STATUS_NO_MEMORY = -ENOMEM,
  MANGO_STATUS_ACCESS_DENIED = -EACCES,
  MANGO_STATUS_BUSY = -EBUSY,
  MANGO_STATUS_EXISTS = -EEXIST,
  MANGO_STATUS_INVALID_ARGUMENT = -EINVAL,
  MANGO_STATUS_TOO_MANY_FILES = -EMFILE,    /* this process's descriptor limit */
  MANGO_STATUS_SYSTEM_FILE_LIMIT = -ENFILE, /* the system's */
  MANGO_STATUS_BROKEN_PIPE = -EPIPE,        /* sending after a local shutdown, or to a peer that is gone */
  MANGO_STATUS_UNKNOWN_OPTION = -ENOPROTOOPT,
  MANGO_STATUS_NOT_SUPPORTED = -EOPNOTSUPP,
  MANGO_STATUS_FAMILY_NOT_SUPPORTED = -EAFNOSUPPORT,
  MANGO_STATUS_ADDRESS_IN_USE = -EADDRINUSE,
  MANGO_STATUS_ADDRESS_NOT_AVAILABLE = -EADDRNOTAVAIL,
  MANGO_STATUS_NETWORK_UNREACHABLE = -ENETUNREACH,
  MANGO_STATUS_ABORTED = -ECONNABORTED,        /* aborted by this side, or before it could be accepted */
  MANGO_STATUS_CONNECTION_RESET = -ECONNRESET, /* the peer sent RST */
  MANGO_STATUS_NO_BUFFERS = -ENOBUFS,
  MANGO_STATUS_IS_CONNECTED = -EISCONN,
  MANGO_STATUS_NOT_CONNECTED = -ENOTCONN,
  MANGO_STATUS_TIMED_OUT = -ETIMEDOUT,
  MANGO_STATUS_CONNECTION_REFUSED = -ECONNREFUSED,
  MANGO_STATUS_HOST_UNREACHABLE = -EHOSTUNREACH,
  MANGO_STATUS_ALREADY = -EALREADY,
  MANGO_STATUS_IN_PROGRESS = -EINPROGRESS,
  MANGO_STATUS_TLS = -2000, /* TLS failed; details are in the calling thread's OpenSSL error queue */
  MANGO_STATUS_TLS_TRUNCATED = -2001,   /* the peer closed TCP without close_notify */
  MANGO_STATUS_IPC_UNAVAILABLE = -2002, /* the device's process does not answer */
  MANGO_STATUS_DEVICE_RESET = -2003     /* the device was reset; the session is gone */
} mango_status_e;

/* What a context runs on. */
typedef enum _mango_hw_accel {
  MANGO_HW_ACCEL_NONE = 0, /* the software engine over the kernel's TCP; the default */
  MANGO_HW_ACCEL_DPU = 1
} mango_hw_accel_e;

/* What mango_context_check_feature() asks for. */
typedef enum _mango_hw_feature {
  MANGO_HW_FEATURE_TOE = 0, /* the TCP functions of this header */
  MANGO_HW_FEATURE_RDMA = 1
} mango_hw_feature_e;

typedef enum _mango_ipc_msg {
  MANGO_IPC_MSG_HEALTH_CHECK = 0,
  MANGO_IPC_MSG_SET_CONFIG,
  MANGO_IPC_MSG_GET_CONFIG,
  MANGO_IPC_MSG_TCP_LISTEN,
  MANGO_IPC_MSG_TCP_ACCEPT,
  MANGO_IPC_MSG_TCP_CONNECT,
  MANGO_IPC_MSG_TCP_CLOSE,
  MANGO_IPC_MSG_TCP_LISTEN_CLOSE,
  MANGO_IPC_MSG_TCP_ABORT
} mango_ipc_msg_e;

typedef enum _mango_ipc_prot { MANGO_IPC_PROT_GRPC = 0, MANGO_IPC_PROT_ICEORYX } mango_ipc_prot_e;

/* Runs once per reset of a tcp handle; param is what mango_tcp_register_reset() was given. */
typedef void(mango_tcp_reset_fn)(mango_tcp_h tcp, mango_context_h context, void* param);

/* Extension of this library (absent from the vendor's): what all threads of the process have done so far. One
 * "call" is one call into the operating system, so a ratio of calls to requests is exact. */
typedef struct mango_counters {
  uint64_t recv_calls;
  uint64_t recv_bytes; /* as on the wire: ciphertext for TLS */
  uint64_t send_calls;
  uint64_t send_bytes;
  uint64_t accept_calls;
  uint64_t accepted;
  uint64_t connect_calls;
  uint64_t epoll_wait_calls;
  uint64_t epoll_events;
  uint64_t opened;
  uint64_t closed;
  uint64_t aborted;
  uint64_t reset;
  uint64_t tls_bytes_in;  /* plaintext handed to callers of recv_tls */
  uint64_t tls_bytes_out; /* plaintext taken from callers of send_tls */
} mango_counters_t;

/* Extension: one direction of a TLS session. */
typedef struct mango_tls_direction {
  uint8_t secret[48]; /* TLS 1.3: the {client,server}_application_traffic_secret_0, 32 or 48 bytes of it */
  uint8_t key[32];    /* TLS 1.2: the write key of the key block, 16 or 32 bytes of it */
  uint8_t iv[12];     /* TLS 1.2: the write IV: 4 bytes (AES-GCM) or 12 (ChaCha20-Poly1305) */
  uint64_t sequence;  /* of the next record under these keys */
} mango_tls_direction_t;

/* Extension: what protects the records of a TLS session once its handshake is done. */
typedef struct mango_tls_keys {
  uint16_t version;      /* 0x0303 or 0x0304 */
  uint16_t cipher_suite; /* as on the wire */
  mango_tls_direction_t tx;
  mango_tls_direction_t rx;
  uint8_t
      is_client; /* 1: ours is the client's side, so session tickets of TLS 1.3 may come; 0: the server's */
} mango_tls_keys_t;

#ifdef __cplusplus
}
#endif

#endif /* MANGO_TYPEDEF_H */
