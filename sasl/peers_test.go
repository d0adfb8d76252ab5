package sasl

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

// A peer is a program of another implementation: gsasl of GNU SASL, or a sample program
// of Cyrus SASL.
type peer struct {
	t      *testing.T
	in     io.WriteCloser
	out    *bufio.Scanner
	prefix string // of its lines that carry data, of Cyrus's programs
	ours   string // of ours
}

// startPeer starts a program without a terminal, where it reads passwords from standard
// input, and with a buffer for each line.
func startPeer(t *testing.T, prefix, ours, input string, env []string, command ...string) *peer {
	t.Helper()
	ztest.NeedPeers(t)
	cmd := exec.CommandContext(ztest.Context(t), "setsid", append([]string{"stdbuf", "-oL"}, command...)...)
	cmd.Env = append(os.Environ(), env...)
	in, err := cmd.StdinPipe()
	ztest.Must(t, err)
	out, err := cmd.StdoutPipe()
	cmd.Stderr = cmd.Stdout // where gsasl says what its lines are
	ztest.Must(t, err, cmd.Start())
	t.Cleanup(func() {
		in.Close()
		io.Copy(io.Discard, out)
		cmd.Wait()
	})
	_, err = io.WriteString(in, input)
	ztest.Must(t, err)
	return &peer{t, in, bufio.NewScanner(out), prefix, ours}
}

// next returns what the peer sends next. The peer has accepted the exchange if ok is true
// and data is nil, and has given up if ok is false.
func (p *peer) next() (data []byte, ok bool) {
	p.t.Helper()
	for p.out.Scan() {
		line := p.out.Text()
		switch {
		case line == "Negotiation complete", strings.Contains(line, "authentication finished"):
			return nil, true
		case p.prefix == "" && strings.HasSuffix(line, "Output from client:"), line == "Output from server:":
			p.out.Scan()
			line = p.out.Text()
		case p.prefix != "" && strings.HasPrefix(line, p.prefix):
			line = strings.TrimPrefix(line, p.prefix)
		default:
			continue
		}
		data, err := base64.StdEncoding.AppendDecode([]byte{}, []byte(line))
		ztest.Must(p.t, err)
		return data, true
	}
	return nil, false
}

func (p *peer) send(data []byte) {
	p.t.Helper()
	// If the peer has given up, next reports it.
	io.WriteString(p.in, p.ours+base64.StdEncoding.EncodeToString(data)+"\n")
}

// serve runs a server of this package against a client that has made its first response.
// It returns whether the client accepted the exchange, and the error of the server.
func (p *peer) serve(s *Server, mechanism string, response []byte) (accepted bool, err error) {
	p.t.Helper()
	ohai(p.t, s)
	for {
		c, err := send(p.t, s, yarly(p.t, mechanism, response))
		if err != nil {
			return false, err
		}
		if c.Kind == OHAIOK {
			break
		}
		p.send(c.Data)
		var ok bool
		if response, ok = p.next(); !ok {
			return false, nil
		}
	}
	if p.prefix == "" {
		p.send(nil) // GNU SASL's program reads a line after each of its own
	}
	data, ok := p.next()
	return ok && data == nil, nil
}

// offer offers mechanisms to a client of this package, and returns its first response.
func offer(t *testing.T, c *Client, mechanisms ...string) []byte {
	t.Helper()
	_, err := c.Start()
	ztest.Must(t, err)
	return answer(t, c, orly(t, nil, mechanisms...))
}

// answer returns the response of a client to a challenge.
func answer(t *testing.T, c *Client, message [][]byte) []byte {
	t.Helper()
	reply, err := c.Handle(message)
	ztest.Must(t, err)
	parsed, err := FILEMQ.Parse(reply)
	ztest.Must(t, err)
	return parsed.Data
}

// ask runs a client of this package, which has made its first response, against a server.
// It returns whether both accepted the exchange.
func (p *peer) ask(c *Client) (accepted bool) {
	p.t.Helper()
	for {
		challenge, ok := p.next()
		if !ok {
			return false
		}
		if challenge == nil {
			_, err := c.Handle(compose(p.t, Command{Kind: OHAIOK}))
			ztest.Must(p.t, err)
			return c.Done()
		}
		if c.Mechanism() != ScramSHA256 && len(challenge) == 0 {
			p.send(nil) // GNU SASL's program reads a line after each of its own
			continue
		}
		p.send(answer(p.t, c, orly(p.t, challenge, c.Mechanism())))
	}
}

// An accounts is a policy that has one account, alice.
type accounts struct {
	password string
	verifier Verifier
}

func newAccounts(t *testing.T, password string) *accounts {
	t.Helper()
	prepared, _ := prepare(password)
	v, err := derive(prepared, []byte("12345678"), minIterations)
	ztest.Must(t, err)
	return &accounts{password, v}
}

func (a *accounts) Mechanisms(string, bool) []string { return []string{ScramSHA256, Plain, Anonymous} }

func (a *accounts) Verifier(context.Context, string, string) (Verifier, error) {
	return a.verifier, nil
}

func (a *accounts) Handle(_ context.Context, req *zap.Request) zap.Reply {
	login, password, isPlain := req.PlainLogin()
	name, key, _, isScram := req.ScramLogin()
	if isPlain && login == "alice" && string(password) == a.password || isScram && name == "alice" && a.verifier.Matches(key[:]) || req.Mechanism == zap.Null {
		return zap.Allow("")
	}
	return zap.Refuse("wrong")
}

// server returns a server that asks the policy.
func (a *accounts) server(t *testing.T) *Server {
	t.Helper()
	s, err := NewServer(ServerConfig{Codec: FILEMQ, Policy: a, Link: Link{Local: true}})
	ztest.Must(t, err)
	return s
}

// gsaslClient starts a client, and returns its first response.
func gsaslClient(t *testing.T, mechanism, password string) (p *peer, initial []byte) {
	lines := ""
	if mechanism == ScramSHA256 {
		lines = "\n\n" // it asks for two channel bindings of TLS
	}
	p = startPeer(t, "", "", lines, nil, "gsasl", "--client", "-m", mechanism, "-a", "alice", "-z", "alice", "-n", "alice", "-p", password)
	initial, _ = p.next()
	return p, initial
}

func cyrusClient(t *testing.T, mechanism, password string) (p *peer, initial []byte) {
	list := "S: " + base64.StdEncoding.EncodeToString([]byte(mechanism)) + "\n"
	p = startPeer(t, "C: ", "S: ", list+password+"\n", nil, "sasl-sample-client", "-s", "sample", "-n", "example.org", "-m", mechanism, "-a", "alice", "-u", "alice")
	first, _ := p.next()
	name, response, _ := strings.Cut(string(first), "\x00")
	if name != mechanism {
		t.Fatalf("the client chose %q", name)
	}
	return p, []byte(response)
}

// gsaslServer starts a server which has received our first response.
func gsaslServer(t *testing.T, mechanism, password string, initial []byte) *peer {
	p := startPeer(t, "", "", "", nil, "gsasl", "--server", "-m", mechanism, "-p", password, "--iteration-count", "4096")
	if data, _ := p.next(); len(data) > 0 {
		t.Fatalf("the server began with %q", data)
	}
	p.send(initial)
	return p
}

func cyrusServer(t *testing.T, mechanism, password string, initial []byte) *peer {
	ztest.NeedPeers(t)
	dir := t.TempDir()
	accounts := filepath.Join(dir, "accounts")
	ztest.WriteFile(t, filepath.Join(dir, "sample.conf"),
		"pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: "+accounts+"\nmech_list: "+mechanism+"\n")
	cmd := exec.CommandContext(ztest.Context(t), "saslpasswd2", "-p", "-c", "-f", accounts, "-u", "example.org", "alice")
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin")
	cmd.Stdin = strings.NewReader(password)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	p := startPeer(t, "S: ", "C: ", "", []string{"SASL_CONF_PATH=" + dir}, "sasl-sample-server", "-s", "sample", "-d", "example.org", "-u", "example.org")
	if data, _ := p.next(); string(data) != mechanism {
		t.Fatalf("the server offers %q", data)
	}
	p.send(append([]byte(mechanism+"\x00"), initial...))
	return p
}

// The peers.
var (
	peerClients = map[string]func(t *testing.T, mechanism, password string) (*peer, []byte){"gsasl": gsaslClient, "cyrus": cyrusClient}
	peerServers = map[string]func(t *testing.T, mechanism, password string, initial []byte) *peer{"gsasl": gsaslServer, "cyrus": cyrusServer}
)

// checkPeers runs a mechanism against all peers on the other end, with the right password
// and a wrong one, except against the one to skip. The account's password is given, or
// equal to it after SASLprep.
func checkPeers(t *testing.T, name, mechanism, given, account, skip string) {
	for program, start := range peerClients {
		if program == skip {
			continue
		}
		for _, text := range []string{given, "wrong"} {
			right := text == given
			t.Run(fmt.Sprintf("%s client %s %s right %t", program, mechanism, name, right), func(t *testing.T) {
				t.Parallel()
				p, initial := start(t, mechanism, text)
				s := newAccounts(t, account).server(t)
				accepted, err := p.serve(s, mechanism, initial)
				if _, admitted := s.User(); accepted != right || admitted != right {
					t.Errorf("accepted %t, admitted %t, %v", accepted, admitted, err)
				}
				if !right {
					checkRefused(t, err, mechanism, zap.StatusRefused)
				}
			})
		}
	}
	for program, start := range peerServers {
		if program == skip {
			continue
		}
		for _, text := range []string{given, "wrong"} {
			right := text == given
			t.Run(fmt.Sprintf("%s server %s %s right %t", program, mechanism, name, right), func(t *testing.T) {
				t.Parallel()
				c := newClient(t, ClientConfig{Codec: FILEMQ, Username: "alice", Password: zap.NewPassword(text), InsecurePlain: true})
				p := start(t, mechanism, account, offer(t, c, mechanism))
				if accepted := p.ask(c); accepted != right {
					t.Errorf("accepted %t", accepted)
				}
			})
		}
	}
}

// TestPeersScram has other implementations on the other end, which also know nothing of
// the attribute h. Cyrus SASL does not apply SASLprep, and therefore agrees with others
// only on passwords that SASLprep does not change.
func TestPeersScram(t *testing.T) {
	t.Parallel()
	checkPeers(t, "ASCII", ScramSHA256, "pencil", "pencil", "")
	checkPeers(t, "UTF-8", ScramSHA256, "p\u00e4ssw\u00f6rd=,", "p\u00e4ssw\u00f6rd=,", "")
	checkPeers(t, "SASLprep", ScramSHA256, "\u2168a\u0308\u00ad", "IX\u00e4", "cyrus")
}

// TestPeersPlain is TestPeersScram for PLAIN.
func TestPeersPlain(t *testing.T) {
	t.Parallel()
	checkPeers(t, "ASCII", Plain, "pencil", "pencil", "")
	checkPeers(t, "UTF-8", Plain, "p\u00e4ssw\u00f6rd", "p\u00e4ssw\u00f6rd", "")
}

// TestPeersAnonymous is TestPeersScram for ANONYMOUS. The server of GNU SASL's program does
// not support it.
func TestPeersAnonymous(t *testing.T) {
	t.Parallel()
	for program, start := range peerClients {
		t.Run(program+" client", func(t *testing.T) {
			t.Parallel()
			p, initial := start(t, Anonymous, "")
			s := newAccounts(t, "pencil").server(t)
			accepted, err := p.serve(s, Anonymous, initial)
			if _, admitted := s.User(); !accepted || !admitted || err != nil || len(initial) == 0 {
				t.Errorf("accepted %t, admitted %t, %v, trace %q", accepted, admitted, err, initial)
			}
		})
	}
	t.Run("cyrus server", func(t *testing.T) {
		t.Parallel()
		c := newClient(t, ClientConfig{Codec: FILEMQ})
		if accepted := cyrusServer(t, Anonymous, "unused", offer(t, c, Anonymous)).ask(c); !accepted {
			t.Error("not accepted")
		}
	})
}
