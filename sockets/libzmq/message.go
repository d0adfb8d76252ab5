package libzmq

/*
#cgo !windows pkg-config: libzmq
#include <errno.h>
#include <string.h>
#include <zmq.h>

// Receives a message of several parts: all of them in buffer, one behind the
// other, their sizes in sizes. From the first part on that doesn't fit they are
// received and dropped. Returns how many parts are there, and -1 if there is no
// message yet.
static int zcurve_receive (void *socket, char *buffer, size_t capacity, size_t *sizes, int most, int *whole)
{
    size_t used = 0;
    int parts = 0, more = 1, fits = 1;
    while (more) {
        zmq_msg_t part;
        zmq_msg_init (&part);
        int rc;
        do
            rc = zmq_msg_recv (&part, socket, ZMQ_DONTWAIT);
        while (rc == -1 && errno == EINTR);
        if (rc == -1) {
            int reason = errno;
            zmq_msg_close (&part);
            errno = reason;
            return -1;
        }
        size_t size = zmq_msg_size (&part);
        fits = fits && parts < most && size <= capacity - used;
        if (fits) {
            memcpy (buffer + used, zmq_msg_data (&part), size);
            sizes [parts++] = size;
            used += size;
        }
        more = zmq_msg_more (&part);
        zmq_msg_close (&part);
    }
    *whole = fits;
    return parts;
}

// Sends a message of several parts, which stand in buffer one behind the other.
static int zcurve_send (void *socket, const char *buffer, const size_t *sizes, int parts)
{
    for (int i = 0; i < parts; i++) {
        int rc;
        do
            rc = zmq_send (socket, buffer, sizes [i], ZMQ_DONTWAIT | (i < parts - 1 ? ZMQ_SNDMORE : 0));
        while (rc == -1 && errno == EINTR);
        if (rc == -1)
            return -1;
        buffer += sizes [i];
    }
    return 0;
}
*/
import "C"

import (
	"errors"
	"reflect"
	"unsafe"

	"github.com/pebbe/zmq4"
)

// Bounds of a ZAP request as it comes from libzmq: its parts are 255 octets at
// most, but for the routing ids of proxies in front.
const (
	maxMessage = 64 << 10 // octets
	maxParts   = 64
)

// errTooLarge means that a message is larger than any ZAP request or reply.
var errTooLarge = errors.New("libzmq: a ZAP message of more than 64 KiB or 64 parts")

// messenger receives and sends whole messages, with one call into libzmq each:
// zmq4 takes three for every part. It belongs to one goroutine.
type messenger struct {
	socket unsafe.Pointer
	buffer []byte
	sizes  []C.size_t
}

func newMessenger(sock *zmq4.Socket) (*messenger, error) {
	raw, err := rawSocket(sock)
	if err != nil {
		return nil, err
	}
	return &messenger{socket: raw, buffer: make([]byte, maxMessage), sizes: make([]C.size_t, maxParts)}, nil
}

// rawSocket returns libzmq's socket, which zmq4 keeps to itself. If it can't be had
// any more in a later version, that is an error.
func rawSocket(sock *zmq4.Socket) (unsafe.Pointer, error) {
	field := reflect.ValueOf(sock).Elem().FieldByName("soc")
	if field.Kind() != reflect.UnsafePointer {
		return nil, errors.New("this version of zmq4 hides libzmq's socket")
	}
	raw := field.UnsafePointer()
	if raw == nil {
		return nil, zmq4.ErrorSocketClosed
	}
	return raw, nil
}

// receive takes one message that is there already. The error is a zmq4.Errno, EAGAIN
// if there is none; or errTooLarge, with the first parts of the message.
func (m *messenger) receive() (frames [][]byte, err error) {
	var whole C.int
	n, err := C.zcurve_receive(m.socket, (*C.char)(unsafe.Pointer(&m.buffer[0])), C.size_t(len(m.buffer)), &m.sizes[0], maxParts, &whole)
	if n < 0 {
		return nil, zmq4.AsErrno(err)
	}
	total := 0
	for _, size := range m.sizes[:n] {
		total += int(size)
	}
	octets := append(make([]byte, 0, total), m.buffer[:total]...)
	frames = make([][]byte, n)
	for i, size := range m.sizes[:n] {
		frames[i], octets = octets[:size:size], octets[size:]
	}
	if whole == 0 {
		return frames, errTooLarge
	}
	return frames, nil
}

// send sends one whole message without waiting. The error is errTooLarge or a
// zmq4.Errno.
func (m *messenger) send(frames [][]byte) error {
	if len(frames) > maxParts {
		return errTooLarge
	}
	out := m.buffer[:0]
	for i, frame := range frames {
		if len(out)+len(frame) > maxMessage {
			return errTooLarge
		}
		out = append(out, frame...)
		m.sizes[i] = C.size_t(len(frame))
	}
	if rc, err := C.zcurve_send(m.socket, (*C.char)(unsafe.Pointer(&m.buffer[0])), &m.sizes[0], C.int(len(frames))); rc != 0 {
		return zmq4.AsErrno(err)
	}
	return nil
}
