package main

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/examples/nom"
	"github.com/zcurve/zcurve/sasl"
)

// timeout is the error of a receive that has timed out.
const timeout = zmq4.Errno(syscall.EAGAIN)

// maxWaiting is how many messages of a client may wait to be handled. Others are dropped.
const maxWaiting = 16

// router makes a connection for each routing id of a ROUTER. The goroutine in run uses the
// sockets, except for send.
type router struct {
	sock    *zmq4.Socket // the ROUTER
	replies *zmq4.Socket // PULL: what peers send
	isCurve bool         // connections are protected by CURVE
	peers   map[string]*peer

	mu   sync.Mutex
	send *zmq4.Socket // PUSH, to replies
}

// peer is the connection with a client.
type peer struct {
	router *router
	id     []byte // routing id
	link   sasl.Link
	inbox  chan [][]byte
}

func newRouter(isCurve bool) (*router, error) {
	r := &router{isCurve: isCurve, peers: map[string]*peer{}}
	for _, s := range []struct {
		sock **zmq4.Socket
		kind zmq4.Type
	}{{&r.sock, zmq4.ROUTER}, {&r.replies, zmq4.PULL}, {&r.send, zmq4.PUSH}} {
		var err error
		if *s.sock, err = zmq4.NewSocket(s.kind); err != nil {
			return nil, err
		}
	}
	// The largest message times the high-water mark bounds what libzmq keeps of a client.
	return r, errors.Join(
		r.sock.SetMaxmsgsize(nom.MaxMessage),
		r.sock.SetRcvhwm(nom.MaxFrames),
		r.sock.SetSndhwm(nom.MaxFrames),
		r.sock.SetLinger(time.Second),
		r.replies.Bind("inproc://replies"),
		r.send.Connect("inproc://replies"),
	)
}

// run carries messages between the ROUTER and the connections until ctx is done.
func (r *router) run(ctx context.Context, serve func(context.Context, nom.Conn, sasl.Link)) error {
	poller := zmq4.NewPoller()
	poller.Add(r.sock, zmq4.POLLIN)
	poller.Add(r.replies, zmq4.POLLIN)
	for ctx.Err() == nil {
		ready, err := poller.Poll(100 * time.Millisecond)
		if err != nil {
			return err
		}
		for _, socket := range ready {
			if socket.Socket == r.replies {
				err = r.reply()
			} else {
				err = r.receive(ctx, serve)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// reply sends a message of a peer to its client. A message without frames says that the peer
// has ended.
func (r *router) reply() error {
	message, err := r.replies.RecvMessageBytes(0)
	if err != nil {
		return err
	}
	if len(message) == 1 {
		delete(r.peers, string(message[0]))
		return nil
	}
	_, err = r.sock.SendMessageDontwait(message)
	return err
}

// receive hands a message from a client to its peer.
func (r *router) receive(ctx context.Context, serve func(context.Context, nom.Conn, sasl.Link)) error {
	id, err := r.sock.RecvBytes(0)
	if err != nil {
		return err
	}
	message, properties, err := r.sock.RecvMessageBytesWithMetadata(0, "Peer-Address", "User-Id")
	if err != nil {
		return err
	}
	// An id that the client has chosen may be that of an earlier client that was
	// authenticated. Those that libzmq generates are 5 bytes, beginning with a zero.
	if len(id) != 5 || id[0] != 0 {
		return r.refuse(id, "routing ids are generated here")
	}
	if !isSmall(message) {
		return r.refuse(id, "message too large")
	}
	p := r.peers[string(id)]
	if p == nil {
		p = &peer{router: r, id: id, link: r.link(properties), inbox: make(chan [][]byte, maxWaiting)}
		r.peers[string(id)] = p
		go serve(ctx, p, p.link)
	}
	if r.link(properties) != p.link {
		return nil // from another connection
	}
	select {
	case p.inbox <- message:
	default:
	}
	return nil
}

// refuse answers a message that is not handled.
func (r *router) refuse(id []byte, reason string) error {
	_, err := r.sock.SendMessageDontwait(id, "WTF", reason)
	return err
}

// isSmall reports whether a message is as small as those of the protocol.
func isSmall(message [][]byte) bool {
	size := 0
	for _, frame := range message {
		size += len(frame)
	}
	return size <= nom.MaxMessage && len(message) <= nom.MaxFrames
}

// link returns what the connection of a message has proved. With "user-id = key", the
// policy tells the client's key. libzmq tells no channel binding.
func (r *router) link(properties map[string]string) sasl.Link {
	address := properties["Peer-Address"]
	link := sasl.Link{Address: address, Local: address == "", Encrypted: r.isCurve}
	if key, err := curve.ParsePublicKey(properties["User-Id"]); err == nil && r.isCurve {
		link.Key = key
	}
	return link
}

func (p *peer) Send(_ context.Context, message ...[]byte) error {
	p.router.mu.Lock()
	defer p.router.mu.Unlock()
	_, err := p.router.send.SendMessage(p.id, message)
	return err
}

func (p *peer) Recv(ctx context.Context) ([][]byte, error) {
	select {
	case message := <-p.inbox:
		return message, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *peer) Close() error { return p.Send(context.Background()) }
