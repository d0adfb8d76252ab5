package libzmq

/*
#cgo !windows pkg-config: libzmq
#include <zmq.h>

// zmq.h declares it only for draft APIs, but the library always has it.
#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#endif
*/
import "C"

import (
	"unsafe"

	"github.com/pebbe/zmq4"
)

// enforceDomain makes a server in a ZAP domain admit no client while no ZAP handler is
// bound (ZMQ_ZAP_ENFORCE_DOMAIN, since libzmq 4.3). Without it, libzmq then admits all
// clients. With it, a server without a domain never asks a handler.
//
// zmq4 has no call for this option, so enforceDomain takes libzmq's socket out of zmq4's.
// If that is not possible, it returns an error, and the socket does not become a server.
func enforceDomain(sock *zmq4.Socket) error {
	raw, err := rawSocket(sock)
	if err != nil {
		return err
	}
	on := C.int(1)
	if rc, err := C.zmq_setsockopt(raw, C.ZMQ_ZAP_ENFORCE_DOMAIN, unsafe.Pointer(&on), C.size_t(unsafe.Sizeof(on))); rc != 0 {
		return zmq4.AsErrno(err)
	}
	return nil
}
