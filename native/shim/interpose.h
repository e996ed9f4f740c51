// SPDX-License-Identifier: Apache-2.0
// For the files that define the C library's names anew. Each such function looks its descriptor up and either
// hands the call to the engine or to the C library; declarations and exception specifications are those of
// the C library's headers.
#pragma once

// The library's only public symbols; exports.map lists the same names.
#define MANGO_INTERPOSE __attribute__((visibility("default")))
