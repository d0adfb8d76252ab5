package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/examples/nom"
	"github.com/zcurve/zcurve/sasl"
	"github.com/zcurve/zcurve/zap"
)

// The properties of a connection, which libzmq attaches to each of its messages. They come from
// the authenticator's replies, so a client cannot set or change them.
const (
	connection = "X-Connection" // a random name
	address    = "X-Address"    // the client's IP address, or empty
	key        = "X-Key"        // the key that the client has proved, or empty
)

// gate admits the connections that its handler admits, and gives them properties.
type gate struct{ zap.Handler }

func (g gate) Handle(ctx context.Context, req *zap.Request) zap.Reply {
	reply := g.Handler.Handle(ctx, req)
	if reply.Status != zap.StatusOK {
		return reply
	}
	var from, proved string
	if ip, err := netip.ParseAddr(req.Address); err == nil {
		from = ip.Unmap().WithZone("").String()
	}
	if k, ok := req.CurveKey(); ok {
		proved = curve.PublicKey(k).String()
	}
	reply.Metadata = zap.Metadata{{connection, rand.Text()}, {address, from}, {key, proved}}
	return reply
}

// maxWaiting is how many messages of a client may wait. The router drops further ones.
const maxWaiting = 16

// router serves the connections of a ROUTER. A routing id does not identify a client: when the
// client has left, another one can claim its id. So each connection has its own peer. Only the
// goroutine in run uses the sockets, except for send.
type router struct {
	sock    *zmq4.Socket     // the ROUTER
	replies *zmq4.Socket     // PULL: what peers send
	peers   map[string]*peer // by the name of the connection

	mu   sync.Mutex
	send *zmq4.Socket // PUSH, to replies
}

// peer is the connection to a client.
type peer struct {
	router *router
	name   string // of the connection
	id     []byte // routing id
	inbox  chan [][]byte
}

func newRouter(zctx *zmq4.Context) (*router, error) {
	r := &router{peers: map[string]*peer{}}
	for _, s := range []struct {
		sock **zmq4.Socket
		kind zmq4.Type
	}{{&r.sock, zmq4.ROUTER}, {&r.replies, zmq4.PULL}, {&r.send, zmq4.PUSH}} {
		var err error
		if *s.sock, err = zctx.NewSocket(s.kind); err != nil {
			return nil, err
		}
	}
	// These limit the size of a frame and the number of whole messages that libzmq stores for a
	// client. Nothing limits the frames of a message that has not ended: see docs/sasl.md.
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

// reply sends a peer's message to its client. A message without frames means that the peer has
// ended.
func (r *router) reply() error {
	message, err := r.replies.RecvMessageBytes(0)
	if err != nil {
		return err
	}
	if len(message) == 1 {
		delete(r.peers, string(message[0]))
		return nil
	}
	_, err = r.sock.SendMessageDontwait(message[1:])
	return err
}

// receive passes a client's message to its peer.
func (r *router) receive(ctx context.Context, serve func(context.Context, nom.Conn, sasl.Link)) error {
	id, err := r.sock.RecvBytes(0)
	if err != nil {
		return err
	}
	message, properties, err := r.sock.RecvMessageBytesWithMetadata(0, connection, address, key)
	if err != nil {
		return err
	}
	name := properties[connection]
	if name == "" {
		return nil // libzmq did not ask the gate
	}
	if len(message) > nom.MaxFrames || len(bytes.Join(message, nil)) > nom.MaxMessage {
		_, err := r.sock.SendMessageDontwait(id, "WTF", "message too large")
		return err
	}
	p := r.peers[name]
	if p == nil {
		p = &peer{router: r, name: name, id: id, inbox: make(chan [][]byte, maxWaiting)}
		r.peers[name] = p
		go serve(ctx, p, linkOf(properties))
	}
	select {
	case p.inbox <- message:
	default:
	}
	return nil
}

// linkOf returns what a connection has proved. libzmq does not show the channel binding.
func linkOf(properties map[string]string) sasl.Link {
	link := sasl.Link{Address: properties[address], Local: properties[address] == ""}
	if k, err := curve.ParsePublicKey(properties[key]); err == nil {
		link.Key = k
	}
	return link
}

func (p *peer) Send(_ context.Context, message ...[]byte) error {
	p.router.mu.Lock()
	defer p.router.mu.Unlock()
	_, err := p.router.send.SendMessage(p.name, p.id, message)
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

// Close removes the peer. The connection remains, because a ROUTER cannot close it.
func (p *peer) Close() error {
	p.router.mu.Lock()
	defer p.router.mu.Unlock()
	_, err := p.router.send.Send(p.name, 0)
	return err
}
