// Demo shows zcurve at work: zcert generates certificates, zauth decides who may
// connect, and a libzmq service encrypts its connections with CURVE.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
)

func main() {
	bin := flag.String("bin", "bin", "`directory` of zcert and zauth")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := demo(ctx, *bin); err != nil {
		fmt.Fprintf(os.Stderr, "\ndemo failed: %v\n", err)
		os.Exit(1)
	}
}

// demo runs all steps. It returns an error if one does not go as described.
func demo(ctx context.Context, bin string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "zcurve-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := &stage{bin: bin, dir: dir}

	say("This demo runs a ZeroMQ service that encrypts its connections with CURVE and\nadmits only the clients it knows.\n")

	say("1. Generate certificates for the service and two clients. Each has two files: a\n   public one to hand out and a secret one to keep.")
	me, alice, stranger := new(cert.Certificate), new(cert.Certificate), new(cert.Certificate)
	for _, who := range []struct {
		name string
		cert *cert.Certificate
	}{{"service", me}, {"alice", alice}, {"stranger", stranger}} {
		if err := s.gen(ctx, who.name, who.cert); err != nil {
			return err
		}
	}
	say("")

	say("2. Admit alice: copy her public certificate to a directory.")
	if err := s.admit("alice"); err != nil {
		return err
	}
	say("")

	say("3. Start zauth. It admits the clients in that directory.")
	zauth, stopZauth, err := s.startZauth(ctx)
	if err != nil {
		return err
	}
	defer stopZauth()

	say("4. Start the service, a libzmq REP socket. It uses CURVE with its own certificate\n   and asks zauth about each client.")
	service, err := startService(ctx, me, zauth)
	if err != nil {
		return err
	}
	defer service.stop()
	say("   > listening on %s\n", service.endpoint)

	say("5. Alice connects with libzmq.")
	if err := expectReply("hello alice")(askLibzmq(ctx, service.endpoint, alice, me.Public)); err != nil {
		return err
	}
	say("6. Alice connects in pure Go, without libzmq.")
	if err := expectReply("hello alice")(askGo(ctx, service.endpoint, alice, me.Public)); err != nil {
		return err
	}
	say("7. A stranger connects with libzmq. The keys are valid, but zauth does not know\n   them.")
	if err := expectError("refused", "HANDSHAKE_FAILED_AUTH 400")(askLibzmq(ctx, service.endpoint, stranger, me.Public)); err != nil {
		return err
	}
	say("8. The stranger connects in pure Go.")
	if err := expectError("refused", "refused by server: 400")(askGo(ctx, service.endpoint, stranger, me.Public)); err != nil {
		return err
	}
	say("9. Alice connects with a wrong server key, as if someone had swapped the service's\n   certificate. The handshake fails before she has sent her own key.")
	if err := expectError("failed", "server key is probably wrong")(askGo(ctx, service.endpoint, alice, stranger.Public)); err != nil {
		return err
	}
	say("10. Admit the stranger: copy the certificate. Nothing is restarted.")
	if err := s.admit("stranger"); err != nil {
		return err
	}
	if err := expectReply("hello stranger")(untilAdmitted(ctx, service.endpoint, stranger, me.Public)); err != nil {
		return err
	}
	say("Done. The README shows the same in Go, Python and C.")
	return nil
}

func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

// expectReply prints the reply, which must be want.
func expectReply(want string) func(reply string, err error) error {
	return func(reply string, err error) error {
		if err == nil && reply != want {
			err = fmt.Errorf("reply is %q, expected %q", reply, want)
		}
		if err != nil {
			return err
		}
		say("   > reply: %s\n", reply)
		return nil
	}
}

// expectError prints why there was no reply, after the word how. The error must
// contain want.
func expectError(how, want string) func(reply string, err error) error {
	return func(reply string, err error) error {
		if err == nil {
			return fmt.Errorf("client admitted, expected a refusal: reply %q", reply)
		}
		if !strings.Contains(err.Error(), want) {
			return err
		}
		say("   > %s: %v\n", how, err)
		return nil
	}
}

// untilAdmitted asks until zauth has noticed the new certificate, or ctx is done.
func untilAdmitted(ctx context.Context, endpoint string, who *cert.Certificate, server curve.PublicKey) (string, error) {
	for {
		reply, err := askGo(ctx, endpoint, who, server)
		if err == nil || ctx.Err() != nil {
			return reply, err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// stage holds the directory with the demo's files, and the one with the tools.
type stage struct{ bin, dir string }

// gen generates a certificate with zcert and loads it.
func (s *stage) gen(ctx context.Context, name string, into *cert.Certificate) error {
	say("   $ zcert gen %s", name)
	cmd, err := s.command(ctx, "zcert", "gen", name)
	if err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("zcert: %w: %s", err, out)
	}
	c, err := cert.Load(filepath.Join(s.dir, name+".key"+cert.SecretSuffix))
	if err != nil {
		return err
	}
	*into = *c
	return nil
}

// command returns a command that runs a tool in the directory.
func (s *stage) command(ctx context.Context, tool string, args ...string) (*exec.Cmd, error) {
	path, err := filepath.Abs(filepath.Join(s.bin, tool))
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = s.dir
	return cmd, nil
}

// admit copies a public certificate to zauth's directory.
func (s *stage) admit(name string) error {
	say("   $ cp %s.key clients/", name)
	clients := filepath.Join(s.dir, "clients")
	if err := os.MkdirAll(clients, 0o755); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(s.dir, name+".key"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(clients, name+".key"), text, 0o644)
}

// startZauth runs zauth until stop is called, and returns its endpoint.
func (s *stage) startZauth(ctx context.Context) (endpoint string, stop func(), err error) {
	args := []string{"serve", "--listen", "tcp://127.0.0.1:*", "--keystore", "dir:clients"}
	say("   $ zauth %s", strings.Join(args, " "))
	cmd, err := s.command(ctx, "zauth", append(args, "--log-format", "text")...) // as on a terminal
	if err != nil {
		return "", nil, err
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	}
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if endpoint, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
			say("   > %s\n", lines.Text())
			go func() {
				for lines.Scan() { // drain the log
				}
			}()
			return endpoint, stop, nil
		}
	}
	stop()
	return "", nil, errors.New("zauth exited before it was listening")
}
