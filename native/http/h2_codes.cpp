// SPDX-License-Identifier: Apache-2.0
#include "http/h2_codes.h"

#include <nghttp2/nghttp2.h>

namespace mango::http {

uint32_t h2_error_code(StreamError error) noexcept {
  switch (error) {
    case StreamError::none:
      return NGHTTP2_NO_ERROR;
    case StreamError::protocol:
      return NGHTTP2_PROTOCOL_ERROR;
    case StreamError::internal:
      return NGHTTP2_INTERNAL_ERROR;
    case StreamError::refused:
      return NGHTTP2_REFUSED_STREAM;
    case StreamError::cancelled:
      return NGHTTP2_CANCEL;
    case StreamError::calm:
      return NGHTTP2_ENHANCE_YOUR_CALM;
  }
  return NGHTTP2_INTERNAL_ERROR;
}

StreamError h2_stream_error(uint32_t code) noexcept {
  switch (code) {
    case NGHTTP2_NO_ERROR:
      return StreamError::none;
    case NGHTTP2_CANCEL:
      return StreamError::cancelled;
    case NGHTTP2_REFUSED_STREAM:
      return StreamError::refused;
    case NGHTTP2_INTERNAL_ERROR:
      return StreamError::internal;
    case NGHTTP2_ENHANCE_YOUR_CALM:
      return StreamError::calm;
    default:
      return StreamError::protocol;
  }
}

const char* h2_reason(uint32_t code) noexcept {
  switch (code) {
    case NGHTTP2_FLOW_CONTROL_ERROR:
      return "http2-flow-control";
    case NGHTTP2_STREAM_CLOSED:
      return "http2-stream-closed";
    case NGHTTP2_FRAME_SIZE_ERROR:
      return "http2-frame-size";
    case NGHTTP2_COMPRESSION_ERROR:
      return "http2-compression";
    case NGHTTP2_ENHANCE_YOUR_CALM:
      return "http2-control-flood";
    case NGHTTP2_INTERNAL_ERROR:
      return "http2-internal";
    default:
      return "http2-protocol";
  }
}

}  // namespace mango::http
