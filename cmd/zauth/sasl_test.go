//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/remotetest"
	"github.com/zcurve/zcurve/sasl"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/remote"
)

// login runs a SASL exchange in memory. It returns the user that the server has admitted, or the
// server's error for its log.
func login(t *testing.T, service sasl.ServerConfig, client sasl.ClientConfig) (sasl.User, error) {
	t.Helper()
	service.Codec, client.Codec = sasl.NOM, sasl.NOM
	s, err := sasl.NewServer(service)
	ztest.Must(t, err)
	defer s.Close()
	c, err := sasl.NewClient(client)
	ztest.Must(t, err)
	defer c.Close()
	message, err := c.Start()
	ztest.Must(t, err)
	for message != nil {
		reply, err := s.Handle(ztest.Context(t), message)
		if err != nil {
			return sasl.User{}, err
		}
		message, err = c.Handle(reply)
		ztest.Must(t, err)
	}
	user, ok := s.User()
	if !ok || !c.Done() {
		t.Fatalf("no error, but the server says %v and the client %v", ok, c.Done())
	}
	return user, nil
}

// verifier is a verifier of the password pencil (RFC 7677, section 3).
const verifier = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

// withVerifier is a service that has the verifier, and asks another handler.
type withVerifier struct{ zap.Handler }

func (withVerifier) Mechanisms(string, bool) []string {
	return []string{sasl.ScramSHA256Plus, sasl.ScramSHA256}
}

func (withVerifier) Verifier(context.Context, string, string) (sasl.Verifier, error) {
	return sasl.ParseVerifier(verifier)
}

// TestSASL: a service that asks zauth authenticates clients by each SASL mechanism that needs no
// verifier, and by SCRAM if it has the verifiers itself. zauth logs the decisions, and counts
// failures by address.
func TestSASL(t *testing.T) {
	t.Parallel()
	dir, keys := keystoreOf(t, "alice")
	file := filepath.Join(t.TempDir(), "policy.zpl")
	ztest.WriteFile(t, file, fmt.Sprintf(`security
    domain = chat
    failures = 3
    anonymous = 1
    plain = 1
        account
            login = guest
            password = hunter2
            group = guests
        account
            login = alice
            password = "%s"
    curve = 1
        keystore = dir:%s
    gssapi = 1
        principal = carol@EXAMPLE.ORG
security
    domain = closed
`, verifier, dir))
	z := startZauth(t, "--listen", "tcp://127.0.0.1:*", "--policy", file)
	zauth := remotetest.NewHandler(t, remote.Options{}, z.endpoint)
	server, stranger := curve.GenerateKey(), curve.GenerateKey()
	keyed := func(key curve.SecretKey) sasl.ClientConfig {
		return sasl.ClientConfig{Key: key, ServerKey: server.Public()}
	}
	named := func(login, password string) sasl.ClientConfig {
		return sasl.ClientConfig{Username: login, Password: zap.NewPassword(password), InsecurePlain: true}
	}
	bound := sasl.Link{Key: keys[0].Public(), Binding: [32]byte{1}}
	for i, tt := range []struct {
		mechanism string
		client    sasl.ClientConfig
		link      sasl.Link
		user      string // "" for a refusal
		log       string
	}{
		{sasl.Anonymous, sasl.ClientConfig{}, sasl.Link{}, "-", "mechanism=NULL"},
		{sasl.Plain, named("guest", "hunter2"), sasl.Link{}, "guest", "login=guest"},
		{sasl.Plain, named("guest", "hunter3"), sasl.Link{}, "", "login=guest"},
		{sasl.Plain, named("nobody", "hunter2"), sasl.Link{}, "", "login=nobody"},
		{sasl.Curve, keyed(keys[0]), sasl.Link{}, "alice", keys[0].Public().Fingerprint()},
		{sasl.Curve, keyed(stranger), sasl.Link{}, "", stranger.Public().Fingerprint()},
		{sasl.External, sasl.ClientConfig{}, sasl.Link{Key: keys[0].Public()}, "alice", keys[0].Public().Fingerprint()},
		{sasl.External, sasl.ClientConfig{}, sasl.Link{Key: stranger.Public()}, "", stranger.Public().Fingerprint()},
		{sasl.External, sasl.ClientConfig{}, sasl.Link{Principal: "carol@EXAMPLE.ORG"}, "carol@EXAMPLE.ORG", "principal=carol@EXAMPLE.ORG"},
		{sasl.External, sasl.ClientConfig{}, sasl.Link{Principal: "dave@EXAMPLE.ORG"}, "", "principal=dave@EXAMPLE.ORG"},
		{sasl.ScramSHA256, named("alice", "pencil"), sasl.Link{}, "alice", "mechanism=SCRAM-SHA-256 login=alice"},
		{sasl.ScramSHA256, named("alice", "hunter2"), sasl.Link{}, "", "mechanism=SCRAM-SHA-256 login=alice"},
		{sasl.ScramSHA256, named("nobody", "pencil"), sasl.Link{}, "", "mechanism=SCRAM-SHA-256 login=nobody"},
		{sasl.ScramSHA256Plus, named("alice", "pencil"), bound, "alice", keys[0].Public().Fingerprint() + " login=alice"},
		{sasl.ScramSHA256Plus, named("alice", "hunter2"), bound, "", keys[0].Public().Fingerprint() + " login=alice"},
	} {
		tt.link.Address = fmt.Sprintf("192.0.2.%d", i+1)
		tt.client.Link, tt.client.Mechanisms = tt.link, []string{tt.mechanism}
		service := sasl.ServerConfig{Handler: zauth, Domain: "chat", Mechanisms: []string{tt.mechanism}, InsecurePlain: true, Link: tt.link}
		switch tt.mechanism {
		case sasl.Curve:
			curveServer, err := curve.NewServer(server)
			ztest.Must(t, err)
			service.Curve = curveServer
		case sasl.ScramSHA256, sasl.ScramSHA256Plus:
			service.InsecurePlain = false
			service.Policy = withVerifier{zauth}
		}
		user, err := login(t, service, tt.client)
		outcome := "client refused"
		if tt.user != "" {
			outcome = "client admitted"
			if err != nil || user.Mechanism != tt.mechanism || user.ID != tt.user && tt.user != "-" {
				t.Errorf("%s, %s: %+v, %v", tt.mechanism, tt.log, user, err)
			}
		} else if refused, ok := errors.AsType[*sasl.RefusedError](err); !ok || refused.Reply.Status != zap.StatusRefused {
			t.Errorf("%s, %s: %v", tt.mechanism, tt.log, err)
		}
		z.waitFor(t, outcome, "domain=chat", "address="+tt.link.Address+" ", tt.log)
		service.Domain = "closed"
		if user, err := login(t, service, tt.client); err == nil {
			t.Errorf("%s, %s: another domain admits %+v", tt.mechanism, tt.log, user)
		}
	}

	// Failures count by the client's address, as the service tells it.
	guess := func(address, password string) error {
		_, err := login(t, sasl.ServerConfig{Handler: zauth, Domain: "chat", Mechanisms: []string{sasl.Plain},
			InsecurePlain: true, Link: sasl.Link{Address: address}}, named("guest", password))
		return err
	}
	for range 3 {
		guess("198.51.100.1", "wrong")
	}
	if err := guess("198.51.100.1", "hunter2"); err == nil {
		t.Error("after 3 failures, the address is not refused")
	}
	z.waitFor(t, "client refused", "address=198.51.100.1 ", "too many failures from this address")
	ztest.Must(t, guess("198.51.100.2", "hunter2"))
	if z.log.Count("hunter") > 0 {
		t.Error("a password in the log")
	}
}
