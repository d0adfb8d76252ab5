package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/sasl"
	"github.com/zcurve/zcurve/zap"
)

// mechanisms lists the values of --mechanism.
var mechanisms = sasl.Mechanisms()

// observer is a policy that keeps the last request and its reply.
type observer struct {
	sasl.Policy
	req   *zap.Request
	reply zap.Reply
}

func (o *observer) Handle(ctx context.Context, req *zap.Request) zap.Reply {
	o.req, o.reply = req, o.Policy.Handle(ctx, req)
	return o.reply
}

// authenticate runs a SASL exchange, in memory, between the client and a service that uses
// the policy. secret is zero if it is unknown.
func (q *question) authenticate(ctx context.Context, rules sasl.Policy, key curve.PublicKey, secret curve.SecretKey, password []byte) (a answer, err error) {
	serviceKey := curve.GenerateKey()
	byCurve, err := curve.NewServer(serviceKey)
	if err != nil {
		return a, err
	}
	gate := &observer{Policy: rules}
	link := sasl.Link{Address: q.address, Local: q.address == "", Principal: q.principal, Encrypted: q.encrypted}
	client := sasl.ClientConfig{Codec: sasl.NOM, Username: q.login, Password: zap.NewPassword(string(password)), Link: link}
	switch {
	case q.mechanism == sasl.Curve:
		client.Key, client.ServerKey = secret, serviceKey.Public()
	case q.cert != "" || q.key != "":
		link.Key = key
		rand.Read(link.Binding[:])
		client.Link.Key, client.Link.Binding = serviceKey.Public(), link.Binding
	}
	if q.mechanism != "" {
		client.Mechanisms, client.InsecurePlain = []string{q.mechanism}, true
	}
	s, err := sasl.NewServer(sasl.ServerConfig{Codec: sasl.NOM, Policy: gate, Domain: q.domain, Link: link, Curve: byCurve})
	if err != nil {
		return a, err
	}
	defer s.Close()
	c, err := sasl.NewClient(client)
	if err != nil {
		return a, err
	}
	defer c.Close()

	message, err := c.Start()
	if err != nil {
		return a, err
	}
	reply, failed := s.Handle(ctx, message)
	if offer, err := sasl.NOM.Parse(reply); err == nil {
		a.offered = offer.Mechanisms
	}
	if q.mechanism == sasl.Curve && secret.IsZero() && (q.cert != "" || q.key != "") && slices.Contains(a.offered, sasl.Curve) {
		a.chosen, a.note = sasl.Curve, " (only the decision: the handshake needs the client's secret key)"
		zap.Ask(ctx, gate, &zap.Request{Domain: q.domain, Address: q.address, Mechanism: zap.Curve, Credentials: [][]byte{key[:]}})
		message = nil
	}
	for failed == nil && message != nil {
		if message, failed = c.Handle(reply); failed == nil && message != nil {
			a.chosen = c.Mechanism()
			reply, failed = s.Handle(ctx, message)
		}
	}

	if a.req, a.reply = gate.req, gate.reply; a.req == nil {
		a.req = &zap.Request{Domain: q.domain, Address: q.address}
		a.hint = q.exchangeHint(rules, a, password)
	}
	if refused, ok := errors.AsType[*sasl.RefusedError](failed); ok {
		a.reply = refused.Reply
	} else if failed != nil {
		a.reply = zap.Refuse(strings.TrimPrefix(failed.Error(), "sasl: "))
	}
	return a, nil
}

// exchangeHint returns a hint for a client that was refused before the policy decided, or
// "".
func (q *question) exchangeHint(rules sasl.Policy, a answer, password []byte) string {
	offers := func(mechanism string) bool { return slices.Contains(a.offered, mechanism) }
	withCurve := rules.Mechanisms(q.domain, true)
	hasKey := q.cert != "" || q.key != ""
	if q.login != "" && q.mechanism != sasl.Plain && (offers(sasl.ScramSHA256) || offers(sasl.ScramSHA256Plus)) {
		if err := cmp.Or(checkPrepared("user name", []byte(q.login)), checkPrepared("password", password)); err != nil {
			return err.Error()
		}
	}
	switch {
	case len(withCurve) == 0:
		return "no client can authenticate by SASL in this domain: name another with --domain"
	case q.login == "" && !hasKey && q.principal == "":
		return "this client has no credentials: pass --login, --cert, --key or --principal"
	case q.mechanism == sasl.ScramSHA256Plus && !hasKey:
		return "it needs a CURVE connection: pass --cert or --key"
	case q.login != "" && offers(sasl.Plain):
		return "a client sends its password unencrypted only if told to: pass --mechanism " + sasl.Plain
	case q.login != "" && slices.Contains(withCurve, sasl.Plain):
		return "on an encrypted connection, the service offers PLAIN: pass --encrypted. On others, it does if the policy's sasl names PLAIN"
	case !offers(sasl.ScramSHA256Plus) && slices.Contains(withCurve, sasl.ScramSHA256Plus):
		return "on a CURVE connection, the service offers " + sasl.ScramSHA256Plus + ": pass --login, and --cert or --key"
	case q.login == "" && offers(sasl.ScramSHA256Plus):
		return "the service demands a password as well: pass --login"
	}
	return ""
}
