package zmtp

import (
	"net"
	"os"
	"testing"

	"golang.org/x/sys/windows"
)

// TestWindowsErrors checks that the error numbers of Windows' network are recognized.
func TestWindowsErrors(t *testing.T) {
	t.Parallel()
	for number, is := range map[windows.Errno]func(error) bool{
		windows.WSAECONNRESET: peerClosed, windows.WSAECONNABORTED: peerClosed,
	} {
		if err := (&net.OpError{Op: "read", Err: os.NewSyscallError("wsarecv", number)}); !is(err) {
			t.Errorf("%v is not recognized", err)
		}
	}
}
