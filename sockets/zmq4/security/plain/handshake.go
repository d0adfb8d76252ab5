package plain

import (
	"errors"
	"fmt"

	"github.com/zcurve/zcurve/sockets/zmq4"
)

var errLogin = errors.New("plain: wrong user name or password")

// Handshake performs the handshake of RFC 24 on a Conn.
func (s security) Handshake(conn *zmq4.Conn, server bool) error {
	metadata, err := conn.Meta.MarshalZMTP()
	if err != nil {
		return err
	}
	if server {
		return s.serve(conn, metadata)
	}
	return s.login(conn, metadata)
}

func (s security) login(conn *zmq4.Conn, metadata []byte) error {
	user, password := s.user.Reveal(), s.password.Reveal()
	if len(user) > 255 || len(password) > 255 {
		return errors.New("plain: user name or password longer than 255 bytes")
	}
	hello := append([]byte{byte(len(user))}, user...)
	hello = append(append(hello, byte(len(password))), password...)
	if err := conn.SendCmd(zmq4.CmdHello, hello); err != nil {
		return err
	}
	if _, err := expect(conn, zmq4.CmdWelcome); err != nil {
		return err
	}
	if err := conn.SendCmd(zmq4.CmdInitiate, metadata); err != nil {
		return err
	}
	body, err := expect(conn, zmq4.CmdReady)
	if err != nil {
		return err
	}
	return conn.Peer.Meta.UnmarshalZMTP(body)
}

func (s security) serve(conn *zmq4.Conn, metadata []byte) error {
	hello, err := expect(conn, zmq4.CmdHello)
	if err != nil {
		return err
	}
	user, rest, ok := cutShort(hello)
	password, rest, isPassword := cutShort(rest)
	if !ok || !isPassword || len(rest) > 0 {
		return fmt.Errorf("%w: malformed HELLO", zmq4.ErrBadCmd)
	}
	if !s.admits(user, password) {
		return errors.Join(errLogin, conn.SendCmd(zmq4.CmdError, []byte("\x03400")))
	}
	if err := conn.SendCmd(zmq4.CmdWelcome, nil); err != nil {
		return err
	}
	body, err := expect(conn, zmq4.CmdInitiate)
	if err != nil {
		return err
	}
	if err := conn.Peer.Meta.UnmarshalZMTP(body); err != nil {
		return err
	}
	return conn.SendCmd(zmq4.CmdReady, metadata)
}

// expect receives the next command and returns its body.
func expect(conn *zmq4.Conn, name string) ([]byte, error) {
	cmd, err := conn.RecvCmd()
	if err != nil {
		return nil, err
	}
	if cmd.Name != name {
		return nil, fmt.Errorf("%w: %q instead of %s", zmq4.ErrBadCmd, cmd.Name, name)
	}
	return cmd.Body, nil
}

// cutShort cuts a text with its length in one byte off b.
func cutShort(b []byte) (text, rest []byte, ok bool) {
	if len(b) == 0 || len(b)-1 < int(b[0]) {
		return nil, nil, false
	}
	n := 1 + int(b[0])
	return b[1:n], b[n:], true
}
