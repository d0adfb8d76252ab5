package main

import (
	"fmt"
	"net"
	"os"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"
)

// takePassedSockets returns the sockets that systemd has passed to this process. It returns an
// error if one of them is not a socket that listens for connections.
func takePassedSockets() (passed passedSockets, err error) {
	for _, f := range activation.Files(true) {
		ln, listenErr := fileListener(f)
		if listenErr != nil && err == nil {
			err = fmt.Errorf("systemd passed %s, which zauth cannot use: %w", f.Name(), listenErr)
		}
		if listenErr == nil {
			passed = append(passed, passedSocket{ln, f.Name()})
		}
		f.Close()
	}
	if err != nil {
		passed.close()
		return nil, err
	}
	return passed, nil
}

// fileListener returns the listener of a file.
func fileListener(f *os.File) (net.Listener, error) {
	listens, err := unix.GetsockoptInt(int(f.Fd()), unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err == nil && listens == 0 {
		return nil, fmt.Errorf("it does not listen for connections: a socket unit for zauth needs ListenStream= and Accept=no")
	}
	if err != nil {
		return nil, err
	}
	return net.FileListener(f)
}
