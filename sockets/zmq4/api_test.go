package zmq4_test

import (
	"context"
	"io"
	"log"
	"net"
	"time"

	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/sockets/zmq4/security/null"
	"github.com/zcurve/zcurve/sockets/zmq4/security/plain"
	"github.com/zcurve/zcurve/sockets/zmq4/transport"
)

// This file uses every exported name of github.com/go-zeromq/zmq4 v0.17.0 with its type, so that it
// compiles only if a program does that imports this package instead.

// theirSocket and the like are the interfaces of go-zeromq, method for method: values can be
// assigned both ways.
type (
	theirSocket interface {
		Close() error
		Send(msg zmq4.Msg) error
		SendMulti(msg zmq4.Msg) error
		Recv() (zmq4.Msg, error)
		Listen(ep string) error
		Dial(ep string) error
		Type() zmq4.SocketType
		Addr() net.Addr
		GetOption(name string) (interface{}, error)
		SetOption(name string, value interface{}) error
	}
	theirSecurity interface {
		Type() zmq4.SecurityType
		Handshake(conn *zmq4.Conn, server bool) error
		Encrypt(w io.Writer, data []byte) (int, error)
		Decrypt(w io.Writer, data []byte) (int, error)
	}
	theirDialer interface {
		DialContext(ctx context.Context, network, address string) (net.Conn, error)
	}
	theirTransport interface {
		Dial(ctx context.Context, dialer transport.Dialer, addr string) (net.Conn, error)
		Listen(ctx context.Context, addr string) (net.Listener, error)
		Addr(ep string) (addr string, err error)
	}
	theirConstructor = func(context.Context, ...zmq4.Option) zmq4.Socket
)

var (
	_ zmq4.Socket         = theirSocket(nil)
	_ theirSocket         = zmq4.Socket(nil)
	_ zmq4.Security       = theirSecurity(nil)
	_ theirSecurity       = zmq4.Security(nil)
	_ transport.Dialer    = theirDialer(nil)
	_ theirDialer         = transport.Dialer(nil)
	_ transport.Transport = theirTransport(nil)
	_ theirTransport      = transport.Transport(nil)
	_ zmq4.Topics         = interface{ Topics() []string }(nil)

	_ = [...]theirConstructor{
		zmq4.NewPair, zmq4.NewPub, zmq4.NewSub, zmq4.NewReq, zmq4.NewRep, zmq4.NewDealer, zmq4.NewRouter, zmq4.NewPull,
		zmq4.NewPush, zmq4.NewXPub, zmq4.NewXSub,
	}
	_ func(zmq4.SocketIdentity) zmq4.Option                                                                           = zmq4.WithID
	_ func(zmq4.Security) zmq4.Option                                                                                 = zmq4.WithSecurity
	_                                                                                                                 = [...]func(time.Duration) zmq4.Option{zmq4.WithDialerRetry, zmq4.WithDialerTimeout, zmq4.WithTimeout}
	_ func(*log.Logger) zmq4.Option                                                                                   = zmq4.WithLogger
	_ func(int) zmq4.Option                                                                                           = zmq4.WithDialerMaxRetries
	_ func(bool) zmq4.Option                                                                                          = zmq4.WithAutomaticReconnect
	_ func() zmq4.Security                                                                                            = null.Security
	_ func(user, pass string) zmq4.Security                                                                           = plain.Security
	_ func(network string) transport.Transport                                                                        = transport.New
	_ func(name string, t transport.Transport) error                                                                  = zmq4.RegisterTransport
	_ func() []string                                                                                                 = zmq4.Transports
	_ func(net.Conn, zmq4.Security, zmq4.SocketType, zmq4.SocketIdentity, bool, func(*zmq4.Conn)) (*zmq4.Conn, error) = zmq4.Open

	_ func([]byte) zmq4.Msg    = zmq4.NewMsg
	_ func(...[]byte) zmq4.Msg = zmq4.NewMsgFrom
	_ func(string) zmq4.Msg    = zmq4.NewMsgString
	_ func([]string) zmq4.Msg  = zmq4.NewMsgFromString

	_ func(context.Context, zmq4.Socket, zmq4.Socket, zmq4.Socket) *zmq4.Proxy = zmq4.NewProxy
	_ func() *zmq4.Queue                                                       = zmq4.NewQueue
)

var (
	_ = zmq4.Msg{Frames: [][]byte{nil}, Type: zmq4.MsgType(byte(0))}
	_ = zmq4.Cmd{Name: "", Body: []byte(nil)}
	_ = zmq4.Property{K: "", V: ""}
	_ = zmq4.Metadata(map[string]string{})
	_ = zmq4.SocketIdentity([]byte{}).String()
	_ = zmq4.Conn{Server: false, Meta: zmq4.Metadata{}, Peer: struct {
		Server bool
		Meta   zmq4.Metadata
	}{}}
	_ error = zmq4.UnknownTransportError{Name: ""}
	_ error = &zmq4.UnknownTransportError{}
	_       = [...]error{zmq4.ErrBadCmd, zmq4.ErrBadFrame, zmq4.ErrBadProperty, zmq4.ErrClosedConn}

	_ func(zmq4.Msg) error                        = zmq4.Msg.Err
	_ func(zmq4.Msg) []byte                       = zmq4.Msg.Bytes
	_ func(zmq4.Msg) string                       = zmq4.Msg.String
	_ func(zmq4.Msg) zmq4.Msg                     = zmq4.Msg.Clone
	_ func(zmq4.SocketType, zmq4.SocketType) bool = zmq4.SocketType.IsCompatible
	_ func(zmq4.Metadata) ([]byte, error)         = zmq4.Metadata.MarshalZMTP
	_ func(*zmq4.Metadata, []byte) error          = (*zmq4.Metadata).UnmarshalZMTP
	_ io.Reader                                   = zmq4.Property{}
	_ io.ReadWriter                               = &zmq4.Property{}
	_ io.ReadWriteCloser                          = (*zmq4.Conn)(nil)
	_ func(*zmq4.Conn) bool                       = (*zmq4.Conn).Closed
	_ func(*zmq4.Conn)                            = (*zmq4.Conn).SetClosed
	_ func(*zmq4.Conn, string, []byte) error      = (*zmq4.Conn).SendCmd
	_ func(*zmq4.Conn, zmq4.Msg) error            = (*zmq4.Conn).SendMsg
	_ func(*zmq4.Conn) (zmq4.Cmd, error)          = (*zmq4.Conn).RecvCmd
	_ func(*zmq4.Conn) (zmq4.Msg, error)          = (*zmq4.Conn).RecvMsg
	_ func(*zmq4.Proxy) error                     = (*zmq4.Proxy).Run
	_                                             = [...]func(*zmq4.Proxy){(*zmq4.Proxy).Kill, (*zmq4.Proxy).Pause, (*zmq4.Proxy).Resume, (*zmq4.Proxy).Stats}
	_                                             = [...]func(*zmq4.Queue){(*zmq4.Queue).Init, (*zmq4.Queue).Pop}
	_ func(*zmq4.Queue) int                       = (*zmq4.Queue).Len
	_ func(*zmq4.Queue, zmq4.Msg)                 = (*zmq4.Queue).Push
	_ func(*zmq4.Queue) (zmq4.Msg, bool)          = (*zmq4.Queue).Peek
)

// The constants, with their types.
var (
	_ = [...]zmq4.SocketType{
		zmq4.Pair, zmq4.Pub, zmq4.Sub, zmq4.Req, zmq4.Rep, zmq4.Dealer, zmq4.Router, zmq4.Pull, zmq4.Push, zmq4.XPub, zmq4.XSub,
	}
	_ = [...]zmq4.SecurityType{zmq4.NullSecurity, zmq4.PlainSecurity, zmq4.CurveSecurity}
	_ = [...]zmq4.MsgType{zmq4.UsrMsg, zmq4.CmdMsg}
)

const (
	_ = zmq4.OptionSubscribe + zmq4.OptionUnsubscribe + zmq4.OptionHWM
	_ = zmq4.CmdCancel + zmq4.CmdError + zmq4.CmdHello + zmq4.CmdInitiate + zmq4.CmdPing + zmq4.CmdPong + zmq4.CmdReady +
		zmq4.CmdSubscribe + zmq4.CmdUnsubscribe + zmq4.CmdWelcome
)
