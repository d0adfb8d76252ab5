package zmq4

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/zcurve/zcurve/zmtp"
)

// MsgType tells messages of programs from commands.
type MsgType byte

// The kinds of a Msg. Sockets send and receive only UsrMsg.
const (
	UsrMsg MsgType = 0
	CmdMsg MsgType = 1
)

// Msg is a message of one or more frames.
type Msg struct {
	Frames [][]byte
	Type   MsgType

	err  error
	from *zmtp.User // nil if nobody has been proved
}

// NewMsg returns a message of one frame.
func NewMsg(frame []byte) Msg { return Msg{Frames: [][]byte{frame}} }

// NewMsgFrom returns a message of these frames.
func NewMsgFrom(frames ...[]byte) Msg { return Msg{Frames: frames} }

// NewMsgString returns a message of one frame.
func NewMsgString(frame string) Msg { return NewMsg([]byte(frame)) }

// NewMsgFromString returns a message of these frames.
func NewMsgFromString(frames []string) Msg {
	msg := Msg{Frames: make([][]byte, len(frames))}
	for i, frame := range frames {
		msg.Frames[i] = []byte(frame)
	}
	return msg
}

// Err returns the error with which the message was received, if any.
func (msg Msg) Err() error { return msg.err }

// From returns who sent a received message, as far as the connection has proved it: with
// CURVE the key; and what the server's handler said, such as the user id. It is zero for
// all other messages.
func (msg Msg) From() zmtp.User {
	if msg.from == nil {
		return zmtp.User{}
	}
	return *msg.from
}

// Bytes returns the content of all frames.
func (msg Msg) Bytes() []byte { return bytes.Join(msg.Frames, nil) }

// Clone returns a copy that shares no memory with msg.
func (msg Msg) Clone() Msg {
	if msg.Frames != nil {
		msg.Frames = zmtp.CloneMessage(msg.Frames)
	}
	return msg
}

// String returns the frames, quoted.
func (msg Msg) String() string {
	var b strings.Builder
	b.WriteString("Msg{Frames:{")
	for i, frame := range msg.Frames {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q", frame)
	}
	b.WriteString("}}")
	return b.String()
}
