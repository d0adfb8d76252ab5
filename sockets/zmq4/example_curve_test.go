package zmq4_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/sockets"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// A policy admits the clients whose certificates are in a directory, and the service knows
// who sent each message.
func ExampleCurveServer() {
	dir, err := os.MkdirTemp("", "")
	must(err)
	defer os.RemoveAll(dir)
	service, alice, stranger := cert.Generate("service"), cert.Generate("alice"), cert.Generate("stranger")
	must(alice.SavePublic(filepath.Join(dir, "alice.key")))

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	rules := policy.Rules{{Name: "payments", Curve: &policy.Curve{Keystores: []string{"dir:" + dir}}}}
	p, err := policy.New(rules, policy.Options{})
	must(err)
	defer p.Close()
	go p.Watch(ctx) // ends connections of clients that the policy no longer admits

	pull := zmq4.NewPull(ctx, zmq4.WithSecurity(zmq4.CurveServer(service.Secret, "payments", p)), zmq4.WithLogger(nil))
	defer pull.Close()
	must(pull.Listen("tcp://127.0.0.1:0"))
	at := "tcp://" + pull.Addr().String()

	push := zmq4.NewPush(ctx, zmq4.WithSecurity(zmq4.CurveClient(alice.Secret, service.Public)))
	defer push.Close()
	must(push.Dial(at))
	must(push.Send(zmq4.NewMsgString("pay the rent")))
	msg, err := pull.Recv()
	must(err)
	fmt.Printf("%s: %s\n", msg.From().ID, msg.Bytes())

	other := zmq4.NewPush(ctx, zmq4.WithSecurity(zmq4.CurveClient(stranger.Secret, service.Public)))
	defer other.Close()
	var refused *zmtp.RefusedError
	if errors.As(other.Dial(at), &refused) {
		fmt.Println("stranger:", refused)
	}
	// Output:
	// alice: pay the rent
	// stranger: refused by server: 400 (not admitted; ask its operator)
}

// Events say what happens to connections, and with whom.
func ExampleWithEvents() {
	ctx := context.Background()
	service, alice := curve.GenerateKey(), curve.GenerateKey()
	handler := zap.HandlerFunc(func(_ context.Context, req *zap.Request) zap.Reply {
		if key, ok := req.CurveKey(); ok && key == alice.Public() {
			return zap.Allow("alice")
		}
		return zap.Refuse("not alice")
	})
	events := make(chan sockets.Event)
	pull := zmq4.NewPull(ctx, zmq4.WithSecurity(zmq4.CurveServer(service, "payments", handler)),
		zmq4.WithEvents(func(e sockets.Event) { events <- e }))
	must(pull.Listen("inproc://events"))
	fmt.Println(<-events)

	push := zmq4.NewPush(ctx, zmq4.WithSecurity(zmq4.CurveClient(alice, service.Public())))
	must(push.Dial("inproc://events"))
	fmt.Println(<-events)
	must(push.Close())
	fmt.Println(<-events)
	must(pull.Close())
	// Output:
	// inproc://events: listening
	// inproc://events: connected to "alice"
	// inproc://events: "alice": the peer closed the connection
}

// A key log of a program that is being debugged: zcert decode reads a capture of its
// connections with it. Only the owner can read the file.
func ExampleWithInsecureKeyLog() {
	dir, err := os.MkdirTemp("", "")
	must(err)
	defer os.RemoveAll(dir)
	keys, err := os.OpenFile(filepath.Join(dir, "keys.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(err)
	defer keys.Close()

	ctx := context.Background()
	service, alice := curve.GenerateKey(), curve.GenerateKey()
	admit := zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply { return zap.Allow("alice") })
	pull := zmq4.NewPull(ctx, zmq4.WithSecurity(zmq4.CurveServer(service, "payments", admit)),
		zmq4.WithInsecureKeyLog(keys), zmq4.WithLogger(nil)) // which would say that keys are logged
	defer pull.Close()
	must(pull.Listen("tcp://127.0.0.1:0"))
	push := zmq4.NewPush(ctx, zmq4.WithSecurity(zmq4.CurveClient(alice, service.Public())))
	defer push.Close()
	must(push.Dial("tcp://" + pull.Addr().String()))

	line, err := os.ReadFile(keys.Name())
	must(err)
	fmt.Printf("%s and %d keys\n", line[:8], len(strings.Fields(string(line)))-1)
	// Output: CURVEZMQ and 4 keys
}
