package zmtp_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"math/big"
	"net"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// A server admits one key. Its client sends a request and gets a reply. A stranger is
// refused.
func Example() {
	ctx := context.Background()
	serverKey, alice := curve.GenerateKey(), curve.GenerateKey()
	ln, err := zmtp.Listen(ctx, "tcp://127.0.0.1:*", zmtp.Config{
		SocketType: "REP",
		Mechanism:  zap.Curve,
		Key:        serverKey,
		Handler: zap.HandlerFunc(func(_ context.Context, req *zap.Request) zap.Reply {
			if key, ok := req.CurveKey(); ok && key == alice.Public() {
				return zap.Allow("alice")
			}
			return zap.Refuse("unknown key")
		}),
	})
	check(err)
	defer ln.Close()
	go serve(ctx, ln)

	dial := func(key curve.SecretKey) (*zmtp.Conn, error) {
		return zmtp.Dial(ctx, ln.Endpoint(), zmtp.Config{
			SocketType: "REQ",
			Mechanism:  zap.Curve,
			Key:        key,
			ServerKey:  serverKey.Public(),
		})
	}
	conn, err := dial(alice)
	check(err)
	defer conn.Close()
	check(conn.Send(ctx, nil, []byte("good morning"))) // REQ: an empty part first
	reply, err := conn.Recv(ctx)
	check(err)
	fmt.Printf("%s\n", reply[1])

	_, err = dial(curve.GenerateKey())
	if refused, ok := errors.AsType[*zmtp.RefusedError](err); ok {
		fmt.Println(refused)
	}
	// Output:
	// hello alice, you said good morning
	// refused by server: 400 (not admitted; ask its operator)
}

// serve replies to one request of each client.
func serve(ctx context.Context, ln *zmtp.Listener) {
	for {
		conn, err := ln.Accept(ctx)
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			if request, err := conn.Recv(ctx); err == nil {
				conn.Send(ctx, nil, []byte("hello "+conn.User().ID+", you said "+string(request[1])))
			}
		}()
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// A client that must stay connected dials again as long as that may help.
func ExampleRetryable() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for pause := 10 * time.Millisecond; ; pause *= 2 {
		_, err := zmtp.Dial(ctx, "tcp://127.0.0.1:1", zmtp.Config{SocketType: "PUSH", Mechanism: "CRUVE"})
		if err == nil {
			return
		}
		if !zmtp.Retryable(err) || ctx.Err() != nil {
			fmt.Println(err)
			return
		}
		time.Sleep(pause)
	}
	// Output:
	// zmtp: invalid configuration: unknown mechanism "CRUVE"
}

// A listener of crypto/tls hides user names and passwords of PLAIN on the network.
func ExampleNewListener() {
	ctx := context.Background()
	certificate, roots := selfSigned()
	nl, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}})
	check(err)
	ln, err := zmtp.NewListener(nl, zmtp.Config{
		SocketType: "REP",
		Mechanism:  zap.Plain,
		Handler: zap.HandlerFunc(func(_ context.Context, req *zap.Request) zap.Reply {
			if username, password, ok := req.PlainLogin(); ok && username == "bob" && string(password) == "open sesame" {
				return zap.Allow(username)
			}
			return zap.Refuse("unknown user name or password")
		}),
	})
	check(err)
	defer ln.Close()
	go serve(ctx, ln)

	nc, err := tls.Dial("tcp", nl.Addr().String(), &tls.Config{RootCAs: roots})
	check(err)
	conn, err := zmtp.Client(ctx, nc, zmtp.Config{
		SocketType: "REQ",
		Mechanism:  zap.Plain,
		Username:   "bob",
		Password:   zap.NewPassword("open sesame"),
	})
	check(err)
	defer conn.Close()
	check(conn.Send(ctx, nil, []byte("good evening")))
	reply, err := conn.Recv(ctx)
	check(err)
	fmt.Printf("%s\n", reply[1])
	// Output:
	// hello bob, you said good evening
}

// selfSigned returns a certificate for 127.0.0.1 and the roots that trust it.
func selfSigned() (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true,
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	check(err)
	leaf, err := x509.ParseCertificate(der)
	check(err)
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}
