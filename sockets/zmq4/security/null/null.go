// Package null provides ZeroMQ's mechanism NULL (RFC 23), which neither authenticates nor
// encrypts. It is the default of the sockets of package zmq4.
package null

import (
	"fmt"
	"io"

	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/sockets/zmq4/internal/native"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

type security struct{}

// Security returns the mechanism NULL. Safe for concurrent use.
func Security() zmq4.Security { return security{} }

func (security) Type() zmq4.SecurityType { return zmq4.NullSecurity }

// Handshake exchanges the metadata.
func (security) Handshake(conn *zmq4.Conn, _ bool) error {
	metadata, err := conn.Meta.MarshalZMTP()
	if err != nil {
		return err
	}
	if err := conn.SendCmd(zmq4.CmdReady, metadata); err != nil {
		return err
	}
	cmd, err := conn.RecvCmd()
	if err != nil {
		return err
	}
	if cmd.Name != zmq4.CmdReady {
		return fmt.Errorf("%w: %q instead of READY", zmq4.ErrBadCmd, cmd.Name)
	}
	return conn.Peer.Meta.UnmarshalZMTP(cmd.Body)
}

func (security) Encrypt(w io.Writer, data []byte) (int, error) { return w.Write(data) }
func (security) Decrypt(w io.Writer, data []byte) (int, error) { return w.Write(data) }

func (security) Native(cfg *zmtp.Config) native.Role {
	cfg.Mechanism = zap.Null
	return native.Listens
}
