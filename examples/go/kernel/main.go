// Kernel is a Jupyter kernel in pure Go that echoes what it is asked to run. Its five
// sockets use CURVE if the connection file has a key pair.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/zcurve/zcurve/sockets/zmq4"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: kernel CONNECTION_FILE")
	}
	signal.Ignore(os.Interrupt) // Jupyter sends it to end a computation, not the kernel
	if err := run(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

// kernel has the sockets of a running kernel.
type kernel struct {
	signer
	shell, control, stdin, iopub, hb zmq4.Socket

	count int // of executions; only the goroutine of shell uses it
}

// run serves until a client asks to shut down.
func run(file string) error {
	c, err := readConnection(file)
	if err != nil {
		return err
	}
	security, err := c.security()
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	ctx, secure := context.Background(), zmq4.WithSecurity(security)
	k := &kernel{
		signer:  signer{[]byte(c.Key), rand.Text()},
		shell:   zmq4.NewRouter(ctx, secure),
		control: zmq4.NewRouter(ctx, secure),
		stdin:   zmq4.NewRouter(ctx, secure), // this kernel never asks for input
		iopub:   zmq4.NewPub(ctx, secure),
		hb:      zmq4.NewRep(ctx, secure),
	}
	for _, channel := range []struct {
		socket zmq4.Socket
		port   int
	}{{k.shell, c.ShellPort}, {k.control, c.ControlPort}, {k.stdin, c.StdinPort}, {k.iopub, c.IOPubPort}, {k.hb, c.HBPort}} {
		defer channel.socket.Close() // sends what is queued, such as the last reply
		if err := channel.socket.Listen(c.endpoint(channel.port)); err != nil {
			return err
		}
	}
	ended := make(chan error, 3)
	go func() { ended <- k.serve(k.shell) }()
	go func() { ended <- k.serve(k.control) }()
	go func() { ended <- k.beat() }()
	return <-ended
}

// beat returns each heartbeat.
func (k *kernel) beat() error {
	for {
		msg, err := k.hb.Recv()
		if err != nil {
			return err
		}
		if err := k.hb.Send(msg); err != nil {
			return err
		}
	}
}

// serve answers requests until one asks to shut down.
func (k *kernel) serve(socket zmq4.Socket) error {
	for {
		msg, err := socket.Recv()
		if err != nil {
			return err
		}
		r, err := k.parse(msg.Frames)
		if err != nil {
			log.Printf("message ignored: %v", err)
			continue
		}
		if err := k.answer(socket, r); err != nil {
			return err
		}
		if r.header.Type == "shutdown_request" {
			return nil
		}
	}
}

// answer answers one request. Clients wait for the status idle.
func (k *kernel) answer(socket zmq4.Socket, r *request) error {
	if err := k.publish(r, "status", map[string]any{"execution_state": "busy"}); err != nil {
		return err
	}
	reply := func(typ string, content any) error {
		msg, err := k.message(r.ids, r, typ, content)
		if err != nil {
			return err
		}
		return socket.Send(msg)
	}
	var err error
	switch r.header.Type {
	case "kernel_info_request":
		err = reply("kernel_info_reply", map[string]any{
			"status": "ok", "protocol_version": "5.3", "implementation": "echo", "implementation_version": "1",
			"language_info": map[string]any{"name": "echo", "version": "1", "mimetype": "text/plain", "file_extension": ".txt"},
			"banner":        "It echoes.",
		})
	case "execute_request":
		err = k.execute(r, reply)
	case "shutdown_request":
		err = reply("shutdown_reply", r.content) // says whether Jupyter starts another kernel
	}
	if err != nil {
		return err
	}
	return k.publish(r, "status", map[string]any{"execution_state": "idle"})
}

// execute echoes code.
func (k *kernel) execute(r *request, reply func(typ string, content any) error) error {
	var content struct {
		Code   string `json:"code"`
		Silent bool   `json:"silent"`
	}
	if err := json.Unmarshal(r.content, &content); err != nil {
		return reply("execute_reply", map[string]any{"status": "error", "ename": "JSON", "evalue": err.Error(), "traceback": []string{}})
	}
	if !content.Silent {
		k.count++
		err := k.publish(r, "execute_input", map[string]any{"code": content.Code, "execution_count": k.count})
		if err != nil {
			return err
		}
		if err := k.publish(r, "stream", map[string]any{"name": "stdout", "text": content.Code}); err != nil {
			return err
		}
	}
	return reply("execute_reply", map[string]any{"status": "ok", "execution_count": k.count, "user_expressions": map[string]any{}})
}

// publish sends a message to all clients.
func (k *kernel) publish(about *request, typ string, content any) error {
	msg, err := k.message([][]byte{[]byte("kernel." + k.session + "." + typ)}, about, typ, content)
	if err != nil {
		return err
	}
	return k.iopub.Send(msg)
}
