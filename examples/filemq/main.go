// Filemq is a server that authenticates FileMQ clients (ZeroMQ RFC 19) by the policy in a FileMQ
// server's configuration. It answers heartbeats and subscriptions, and sends no files.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/sasl"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

const (
	maxPeers = 1000             // at a time
	opening  = 10 * time.Second // until a client is admitted
	silence  = time.Minute      // of an admitted client
)

// The commands of RFC 19 that follow the opening.
const (
	icanhaz   = "\xAA\xA3\x05"
	icanhazOK = "\xAA\xA3\x06"
	nom       = "\xAA\xA3\x07"
	hugz      = "\xAA\xA3\x09"
	hugzOK    = "\xAA\xA3\x0A"
	kthxbai   = "\xAA\xA3\x0B"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: filemq CONFIGURATION")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := serve(ctx, os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func serve(ctx context.Context, configuration string) error {
	endpoint, err := property(configuration, "bind", "endpoint")
	if err != nil {
		return err
	}
	rules, err := policy.Load(configuration, policy.Options{Log: slog.Default()})
	if err != nil {
		return err
	}
	defer rules.Close()
	go rules.Watch(ctx) // notices changes of the file
	ln, err := zmtp.Listen(ctx, endpoint, zmtp.Config{
		SocketType:     "ROUTER",
		Mechanism:      zap.Null, // the protocol authenticates
		MaxMessageSize: 1 << 17,
		MaxParts:       2,
		Log:            slog.Default(),
	})
	if err != nil {
		return err
	}
	defer ln.Close()
	fmt.Println("serving on", ln.Endpoint())
	peers := make(chan struct{}, maxPeers)
	for {
		conn, err := ln.Accept(ctx)
		if errors.Is(err, context.Canceled) {
			return nil
		} else if err != nil {
			return err
		}
		select {
		case peers <- struct{}{}:
			go func() {
				defer func() { <-peers }()
				defer conn.Close()
				if err := talk(ctx, conn, rules); err != nil && err != io.EOF {
					slog.Info("client disconnected", "address", address(conn), "err", err)
				}
			}()
		default:
			conn.CloseNow()
		}
	}
}

// talk serves a client until either side ends the connection.
func talk(ctx context.Context, conn *zmtp.Conn, rules *policy.Policy) error {
	host := address(conn)
	server, err := sasl.NewServer(sasl.ServerConfig{
		Codec:  sasl.FILEMQ,
		Policy: rules,
		Domain: "filemq",
		Link:   sasl.Link{Address: host, Local: host == ""},
	})
	if err != nil {
		return err
	}
	defer server.Close()
	deadline := time.Now().Add(opening)
	for {
		_, admitted := server.User()
		if admitted {
			deadline = time.Now().Add(silence)
		}
		step, cancel := context.WithDeadline(ctx, deadline)
		err := answer(step, conn, server, admitted)
		cancel()
		if err != nil {
			return err
		}
	}
}

// answer receives a message and answers it. It returns io.EOF if the client says goodbye.
func answer(ctx context.Context, conn *zmtp.Conn, server *sasl.Server, admitted bool) error {
	message, err := conn.Recv(ctx)
	if err != nil {
		return err
	}
	if admitted {
		switch string(message[0][:min(3, len(message[0]))]) {
		case icanhaz: // a server that has files sends them from here on
			return conn.Send(ctx, []byte(icanhazOK))
		case hugz:
			return conn.Send(ctx, []byte(hugzOK))
		case nom, hugzOK:
			return nil
		case kthxbai:
			return io.EOF
		}
	}
	reply, err := server.Handle(ctx, message)
	switch {
	case errors.Is(err, sasl.ErrForeign):
		return nil
	case err != nil:
		slog.Warn("client not authenticated", "address", address(conn), "err", err)
	}
	if user, ok := server.User(); ok {
		slog.Info("client admitted", "address", address(conn), "user", user.ID)
	}
	if reply != nil {
		if err := conn.Send(ctx, reply...); err != nil {
			return err
		}
	}
	if errors.Is(err, sasl.ErrTries) {
		return err
	}
	return nil
}

// address returns a client's IP address, or "" if the connection has none.
func address(conn *zmtp.Conn) string {
	host, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
	return host
}

// property returns a property from one of the program's own sections of the configuration.
func property(configuration, section, name string) (string, error) {
	text, err := os.ReadFile(configuration)
	if err != nil {
		return "", err
	}
	within := false
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		if !strings.HasPrefix(line, " ") {
			within = strings.TrimSpace(line) == section
			continue
		}
		if key, value, found := strings.Cut(line, "="); within && found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value), nil
		}
	}
	return "", fmt.Errorf("%s: no %s in a section %s", configuration, name, section)
}
