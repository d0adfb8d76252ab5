package endpoint

import (
	"net"
	"os"
	"testing"

	"golang.org/x/sys/windows"
)

// TestWindowsErrors checks that the error numbers of Windows' network are recognized.
func TestWindowsErrors(t *testing.T) {
	t.Parallel()
	for number, is := range map[windows.Errno]func(error) bool{windows.WSAEADDRINUSE: isInUse, windows.WSAECONNREFUSED: isRefused} {
		if err := (&net.OpError{Op: "connect", Err: os.NewSyscallError("connectex", number)}); !is(err) {
			t.Errorf("%v is not recognized", err)
		}
	}
}
