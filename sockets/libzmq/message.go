package libzmq

/*
#cgo !windows pkg-config: libzmq
#include <errno.h>
#include <string.h>
#include <zmq.h>

// Receives a multipart message into buffer, one part after the other, and the sizes of
// the parts into sizes. Drops the first part that does not fit and all parts after it.
// Returns the number of parts, or -1 if there is no message.
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

// Sends a multipart message, whose parts are in buffer one after the other.
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

// Bounds of a ZAP message. The parts of a request from libzmq have 255 bytes at most,
// and proxies put routing ids in front of them.
const (
	maxMessage = 64 << 10 // bytes
	maxParts   = 64
)

// errTooLarge means that a message is larger than any ZAP request or reply.
var errTooLarge = errors.New("libzmq: ZAP message of more than 64 KiB or 64 parts")

// messenger receives and sends whole messages with one C call each. zmq4 needs three
// calls for each part. For one goroutine at a time.
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

// rawSocket returns libzmq's socket, which is in an unexported field of zmq4's socket. It
// returns an error if a later version of zmq4 has no such field.
func rawSocket(sock *zmq4.Socket) (unsafe.Pointer, error) {
	field := reflect.ValueOf(sock).Elem().FieldByName("soc")
	if field.Kind() != reflect.UnsafePointer {
		return nil, errors.New("unsupported version of github.com/pebbe/zmq4: cannot reach the libzmq socket")
	}
	raw := field.UnsafePointer()
	if raw == nil {
		return nil, zmq4.ErrorSocketClosed
	}
	return raw, nil
}

// receive returns a message that has arrived. The error is a zmq4.Errno, which is EAGAIN
// if there is no message; or errTooLarge, together with the first parts of the message.
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
	data := append(make([]byte, 0, total), m.buffer[:total]...)
	frames = make([][]byte, n)
	for i, size := range m.sizes[:n] {
		frames[i], data = data[:size:size], data[size:]
	}
	if whole == 0 {
		return frames, errTooLarge
	}
	return frames, nil
}

// send sends a message without waiting. The error is errTooLarge or a zmq4.Errno.
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
