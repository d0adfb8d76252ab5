package libzmq

/*
#cgo !windows pkg-config: libzmq
#include <zmq.h>

// zmq.h shows it only to those who ask for drafts; the library always has it.
#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#endif
*/
import "C"

import (
	"unsafe"

	"github.com/pebbe/zmq4"
)

// enforceDomain makes a server with a ZAP domain admit nobody while no ZAP handler is
// bound (ZMQ_ZAP_ENFORCE_DOMAIN, since libzmq 4.3), where libzmq would else admit
// everybody. It makes a server without one ask no handler, ever.
//
// zmq4 has no call for this option, so libzmq's socket is read out of zmq4's. If
// that is no longer possible, it is an error; nothing goes on unprotected.
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
