package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/remote"
	"github.com/zcurve/zcurve/zmtp"
)

// setUp makes keystores, an authority with a revocation list, and a policy. Certificates of two
// partners expire soon.
const setUp = `
mkdir -p staff/traders staff/readers partners
for name in alice bob carol; do zcert gen $name; cp $name.key staff/traders/; done
for name in dave erin; do zcert gen $name; cp $name.key staff/readers/; done
zcert authority new acme
for name in globex:9d initech:24d hooli:200d umbrella:90d; do
	days=${name#*:}; name=${name%:*}
	zcert gen $name
	zcert sign $name.key --authority acme.authority_secret --valid $days
	cp $name.key partners/
done
zcert gen oscar && cp oscar.key staff/readers/ && zcert store revoke dir:staff oscar --reason "laptop stolen"
zcert revoke --new --authority acme.authority_secret
cat > policy.zpl <<END
security
    domain = payments
    curve = 1
        keystore = dir:staff
        group = traders
security
    domain = status
    curve = 1
        keystore = dir:staff
security
    domain = exchange
    curve = 1
        keystore = dir:partners
        authority = "$(zcert pubkey acme.authority)"
        revoked = acme.revoked
END
`

// site is a running zauth and a service for each domain that asks it.
type site struct {
	dir       string
	zauth     *exec.Cmd
	url       string // of the status page
	handler   *remote.Handler
	key       curve.SecretKey // of the services
	endpoints map[string]string
	services  []*zmtp.Listener
	clients   map[string]curve.SecretKey
}

// newSite sets up a site in dir, with zauth built from the source in the current directory.
func newSite(ctx context.Context, dir string) (s *site, err error) {
	build := exec.CommandContext(ctx, "go", "build", "-o", dir, "./cmd/...")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	shell := exec.CommandContext(ctx, "sh", "-e", "-c", setUp)
	shell.Dir, shell.Env = dir, append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	for _, cmd := range []*exec.Cmd{build, shell} {
		if text, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%v: %w\n%s", cmd, err, text)
		}
	}
	s = &site{dir: dir, key: cert.Generate("").Secret, endpoints: map[string]string{}, clients: map[string]curve.SecretKey{}}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	secrets, err := filepath.Glob(filepath.Join(dir, "*.key_secret"))
	if err != nil {
		return nil, err
	}
	for _, path := range secrets {
		c, err := cert.Load(path)
		if err != nil {
			return nil, err
		}
		s.clients[strings.TrimSuffix(filepath.Base(path), ".key_secret")] = c.Secret
	}
	for i := range 3 {
		s.clients[fmt.Sprint("stranger ", i)] = cert.Generate("").Secret
	}
	endpoint, err := s.serve()
	if err != nil {
		return nil, err
	}
	if s.handler, err = remote.NewHandler(remote.Options{}, endpoint); err != nil {
		return nil, err
	}
	for _, domain := range []string{"payments", "status", "exchange", "archive"} {
		ln, err := zmtp.Listen(ctx, "tcp://127.0.0.1:*", zmtp.Config{SocketType: "REP", Mechanism: zap.Curve, Key: s.key, Handler: s.handler, Domain: domain})
		if err != nil {
			return nil, err
		}
		s.services = append(s.services, ln)
		s.endpoints[domain] = ln.Endpoint()
		go accept(ctx, ln)
	}
	return s, nil
}

// serve starts zauth. It returns its endpoint for services.
func (s *site) serve() (endpoint string, err error) {
	s.zauth = exec.Command(filepath.Join(s.dir, "zauth"), "serve", "--listen", "tcp://127.0.0.1:*", "--http", "127.0.0.1:0",
		"--policy", "policy.zpl", "--admit-to", "dir:staff", "--control", "none", "--log-format", "json")
	s.zauth.Dir = s.dir
	stderr, err := s.zauth.StderrPipe()
	if err != nil {
		return "", err
	}
	if err := s.zauth.Start(); err != nil {
		return "", err
	}
	log := bufio.NewScanner(stderr)
	for log.Scan() {
		var line struct{ Msg, Endpoint string }
		switch err := json.Unmarshal(log.Bytes(), &line); {
		case err != nil:
			return "", fmt.Errorf("%s: %w", log.Bytes(), err)
		case line.Msg != "listening":
		case strings.HasPrefix(line.Endpoint, "http://"):
			s.url = line.Endpoint + "/"
		default:
			endpoint = line.Endpoint
		}
		if s.url != "" && endpoint != "" {
			go func() {
				for log.Scan() {
				}
			}()
			return endpoint, nil
		}
	}
	return "", errors.New("zauth ended")
}

// accept closes the connections of admitted clients.
func accept(ctx context.Context, ln *zmtp.Listener) {
	for {
		conn, err := ln.Accept(ctx)
		if err != nil {
			return
		}
		conn.Close()
	}
}

func (s *site) close() {
	for _, ln := range s.services {
		ln.Close()
	}
	if s.handler != nil {
		s.handler.Close()
	}
	if s.zauth != nil && s.zauth.Process != nil {
		s.zauth.Process.Signal(syscall.SIGTERM)
		s.zauth.Wait()
	}
}

// connect lets a client connect to the service of a domain, from a loopback address of its own,
// and reports whether it was admitted.
func (s *site) connect(ctx context.Context, name, domain, from string) error {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	nc, err := dialer.DialContext(ctx, "tcp", strings.TrimPrefix(s.endpoints[domain], "tcp://"))
	if err != nil {
		return err
	}
	conn, err := zmtp.Client(ctx, nc, zmtp.Config{SocketType: "REQ", Mechanism: zap.Curve, Key: s.clients[name], ServerKey: s.key.Public()})
	if err == nil {
		conn.Close()
	}
	return err
}

// visits are who connects where, and how often of a hundred times.
var visits = []struct {
	name, domain, from string
	percent            int
}{
	{"alice", "payments", "127.0.4.10", 24},
	{"bob", "payments", "127.0.4.11", 16},
	{"carol", "payments", "127.0.4.12", 12},
	{"dave", "status", "127.0.7.3", 14},
	{"erin", "status", "127.0.7.4", 10},
	{"hooli", "exchange", "127.20.1.5", 8},
	{"globex", "exchange", "127.20.8.1", 5},
	{"dave", "payments", "127.0.7.3", 3},
	{"oscar", "status", "127.0.9.9", 2},
	{"stranger 0", "payments", "127.0.4.31", 2},
	{"stranger 1", "exchange", "127.33.2.8", 2},
	{"stranger 2", "status", "127.0.7.77", 1},
	{"alice", "archive", "127.0.4.10", 1},
}

// traffic lets clients connect for a time, each at least once.
func (s *site) traffic(ctx context.Context, length time.Duration) error {
	for _, v := range visits {
		s.connect(ctx, v.name, v.domain, v.from)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for end := time.Now().Add(length); time.Now().Before(end) && ctx.Err() == nil; {
		// The rate goes up and down over minutes.
		time.Sleep(time.Duration(300+random.IntN(400+int(time.Now().Unix()/60%5)*300)) * time.Millisecond)
		at := random.IntN(100)
		for _, v := range visits {
			if at -= v.percent; at < 0 {
				s.connect(ctx, v.name, v.domain, v.from)
				break
			}
		}
	}
	return ctx.Err()
}
