package zmtp

import (
	"net"
	"os"
	"testing"

	"golang.org/x/sys/windows"
)

// TestWindowsErrors: the numbers that the network of Windows has for errors are known.
func TestWindowsErrors(t *testing.T) {
	t.Parallel()
	for number, is := range map[windows.Errno]func(error) bool{
		windows.WSAECONNRESET: isClosed, windows.WSAECONNABORTED: isClosed,
		windows.WSAEADDRINUSE: isInUse, windows.WSAECONNREFUSED: isRefused,
	} {
		if err := (&net.OpError{Op: "read", Err: os.NewSyscallError("wsarecv", number)}); !is(err) {
			t.Errorf("%v isn't known", err)
		}
	}
}
