package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sasl"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/audit"
)

// accounts is a policy that decides at once.
type accounts struct {
	verifier  sasl.Verifier
	clientKey []byte // of the last request
}

func (a *accounts) Mechanisms(string, bool) []string { return []string{sasl.ScramSHA256Plus} }

func (a *accounts) Verifier(context.Context, string, string) (sasl.Verifier, error) {
	return a.verifier, nil
}

func (a *accounts) Handle(_ context.Context, req *zap.Request) zap.Reply {
	reply, _ := a.HandleAtOnce(req)
	return reply
}

func (a *accounts) HandleAtOnce(req *zap.Request) (zap.Reply, bool) {
	login, clientKey, _, _ := req.ScramLogin()
	a.clientKey = clientKey[:]
	if !a.verifier.Matches(clientKey[:]) {
		return zap.Refuse("wrong user name or password"), true
	}
	return zap.Reply{Status: zap.StatusOK, Text: "OK", UserID: login}, true
}

// TestSASL: a server of package sasl decides by a policy whose decisions are recorded,
// with the login and the key of the connection, and without ClientKey.
func TestSASL(t *testing.T) {
	t.Parallel()
	verifier, err := sasl.ParseVerifier("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=")
	ztest.Must(t, err)
	rules := &accounts{verifier: verifier}
	var out bytes.Buffer
	h := audit.New(rules, audit.Options{Writer: &out})
	key := curve.GenerateKey().Public()
	link := sasl.Link{Address: "192.0.2.1", Key: key, Binding: [32]byte{1}}
	for password, status := range map[string]int{"pencil": 200, "eraser": 400} {
		server, err := sasl.NewServer(sasl.ServerConfig{Codec: sasl.NOM, Policy: rules, Handler: h, Domain: "chat", Link: link})
		ztest.Must(t, err)
		client, err := sasl.NewClient(sasl.ClientConfig{Codec: sasl.NOM, Username: "alice", Password: zap.NewPassword(password), Link: link})
		ztest.Must(t, err)
		message, err := client.Start()
		ztest.Must(t, err)
		for message != nil && err == nil {
			if message, err = server.Handle(t.Context(), message); err == nil {
				message, err = client.Handle(message)
			}
		}
		if client.Done() != (status == 200) {
			t.Errorf("%s: %v", password, err)
		}
		var r audit.Record
		ztest.Must(t, json.Unmarshal(out.Bytes(), &r))
		if r.Mechanism != zap.ScramSHA256Plus || r.Login != "alice" || r.Key != key.String() || r.Status != status || r.Address != link.Address {
			t.Errorf("%s: %s", password, &out)
		}
		if strings.Contains(out.String(), string(rules.clientKey)) {
			t.Errorf("ClientKey in %s", &out)
		}
		out.Reset()
	}
}
