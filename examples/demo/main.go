// Demo shows zcurve at work: certificates that zcert makes, decisions that
// zauth takes, a libzmq server that CURVE protects, and who gets in.
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
		fmt.Fprintf(os.Stderr, "\nthe demo did not go as told: %v\n", err)
		os.Exit(1)
	}
}

// demo tells the story. An error means that a step went otherwise.
func demo(ctx context.Context, bin string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "zcurve-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := &stage{bin: bin, dir: dir}

	say("A service speaks ZeroMQ. Nobody on the network shall read along, and only\nthose we know shall come in. This is how.\n")

	say("1. Everybody gets a certificate: a public file to give away, a secret one to keep.")
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

	say("2. Alice may come in: her public certificate goes into a directory.")
	if err := s.admit("alice"); err != nil {
		return err
	}

	say("3. zauth decides by what is in that directory.")
	zauth, stopZauth, err := s.startZauth(ctx)
	if err != nil {
		return err
	}
	defer stopZauth()

	say("4. The service is a libzmq REP socket. It speaks CURVE with its certificate, and\n   asks zauth about each client.")
	service, err := startService(ctx, me, zauth)
	if err != nil {
		return err
	}
	defer service.stop()
	say("   > it listens on %s\n", service.endpoint)

	say("5. Alice comes, with libzmq.")
	if err := expectReply("hello alice")(askLibzmq(ctx, service.endpoint, alice, me.Public)); err != nil {
		return err
	}
	say("6. Alice comes again, in pure Go without libzmq.")
	if err := expectReply("hello alice")(askGo(ctx, service.endpoint, alice, me.Public)); err != nil {
		return err
	}
	say("7. A stranger comes, with libzmq. He has keys, but zauth doesn't know them.")
	if err := expectRefusal("HANDSHAKE_FAILED_AUTH 400")(askLibzmq(ctx, service.endpoint, stranger, me.Public)); err != nil {
		return err
	}
	say("8. The stranger tries in pure Go.")
	if err := expectRefusal("refused by server: 400")(askGo(ctx, service.endpoint, stranger, me.Public)); err != nil {
		return err
	}
	say("9. Alice believes in a wrong server key, as if somebody had slipped her one. She\n   learns it before she has said who she is.")
	if err := expectRefusal("server key is probably wrong")(askGo(ctx, service.endpoint, alice, stranger.Public)); err != nil {
		return err
	}
	say("10. The stranger's certificate is put into the directory: nothing is restarted.")
	if err := s.admit("stranger"); err != nil {
		return err
	}
	if err := expectReply("hello stranger")(untilLetIn(ctx, service.endpoint, stranger, me.Public)); err != nil {
		return err
	}
	say("That is all. README.md shows how to do it in Go, in Python and in C.")
	return nil
}

func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

// expectReply tells the reply, which must be want.
func expectReply(want string) func(reply string, err error) error {
	return func(reply string, err error) error {
		if err == nil && reply != want {
			err = fmt.Errorf("the reply is %q instead of %q", reply, want)
		}
		if err != nil {
			return err
		}
		say("   > %s\n", reply)
		return nil
	}
}

// expectRefusal tells why there was no reply. The reason must hold want.
func expectRefusal(want string) func(reply string, err error) error {
	return func(reply string, err error) error {
		if err == nil {
			return fmt.Errorf("somebody was let in who should not have been: reply %q", reply)
		}
		if !strings.Contains(err.Error(), want) {
			return err
		}
		say("   > no: %v\n", err)
		return nil
	}
}

// untilLetIn asks again until the change in the directory is in force, or ctx is
// done.
func untilLetIn(ctx context.Context, endpoint string, who *cert.Certificate, server curve.PublicKey) (string, error) {
	for {
		reply, err := askGo(ctx, endpoint, who, server)
		if err == nil || ctx.Err() != nil {
			return reply, err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// stage is where the demo plays: a directory with its files.
type stage struct{ bin, dir string }

// gen makes a certificate with zcert and loads it.
func (s *stage) gen(ctx context.Context, name string, into *cert.Certificate) error {
	say("   $ zcert gen %s", name)
	cmd, err := s.command(ctx, "zcert", "gen", name)
	if err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("zcert: %w: %s", err, out)
	}
	c, _, err := cert.Load(filepath.Join(s.dir, name+".key"+cert.SecretSuffix))
	if err != nil {
		return err
	}
	*into = *c
	return nil
}

// command is a tool that runs in the directory.
func (s *stage) command(ctx context.Context, tool string, args ...string) (*exec.Cmd, error) {
	path, err := filepath.Abs(filepath.Join(s.bin, tool))
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = s.dir
	return cmd, nil
}

// admit puts a public certificate into zauth's directory.
func (s *stage) admit(name string) error {
	say("   $ cp %s.key clients/\n", name)
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

// startZauth runs zauth until stop is called.
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
				for lines.Scan() { // what it logs is another story
				}
			}()
			return endpoint, stop, nil
		}
	}
	stop()
	return "", nil, errors.New("zauth ended before it listened")
}
