package main

import "fmt"

// socket is a socket of any of the packages.
type socket interface {
	send(message ...[]byte) error
	recv() ([][]byte, error)
}

// kit opens sockets of one package.
type kit struct{ with, mechanism string }

// everywhere is where servers listen.
const everywhere = "tcp://127.0.0.1:"

// listen listens as a server and prints the endpoint. A publisher has no high-water mark, so
// that it drops nothing.
func (k kit) listen(typ string) (s socket, err error) {
	endpoint := ""
	switch k.with {
	case "zcurve":
		s, endpoint, err = k.listenZcurve(typ)
	case "pebbe":
		s, endpoint, err = k.listenPebbe(typ)
	case "go-zeromq":
		s, endpoint, err = k.listenGoZeromq(typ)
	default:
		return nil, errUsage
	}
	if err == nil {
		fmt.Println("listening", endpoint)
	}
	return s, err
}

// dial connects a client. A SUB subscribes to everything.
func (k kit) dial(typ, endpoint string) (socket, error) {
	switch k.with {
	case "zcurve":
		return k.dialZcurve(typ, endpoint)
	case "pebbe":
		return k.dialPebbe(typ, endpoint)
	case "go-zeromq":
		return k.dialGoZeromq(typ, endpoint)
	}
	return nil, errUsage
}
