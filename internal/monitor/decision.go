package monitor

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/maphash"
	"strings"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/audit"
)

// id identifies a client.
type id struct {
	kind kind
	sum  [32]byte // the key, or the SHA-256 of the user name or principal
}

// kind is how a client is identified.
type kind uint8

const (
	anonymous kind = iota // by NULL, for example: each request has sum 0 and nothing is known about the client
	byKey
	byLogin
	byPrincipal
)

// identify returns the id of a client, and its user name or principal, which belongs to the
// request.
func identify(req *zap.Request) (id, []byte) {
	if key, ok := req.CurveKey(); ok {
		return id{byKey, key}, nil
	}
	n := len(req.Credentials)
	switch {
	case req.Mechanism == zap.Plain && n == 2, req.Mechanism == zap.ScramSHA256 && n == 2, req.Mechanism == zap.ScramSHA256Plus && n == 3:
		return id{byLogin, sha256.Sum256(req.Credentials[0])}, req.Credentials[0]
	case req.Mechanism == zap.GSSAPI && n == 1:
		return id{byPrincipal, sha256.Sum256(req.Credentials[0])}, req.Credentials[0]
	}
	return id{}, nil
}

// hash returns a number that is equal for equal ids. Clients can choose it.
func (i *id) hash() uint64 { return binary.LittleEndian.Uint64(i.sum[:]) }

// maxText is how many bytes of a text are remembered. All texts of a valid request and reply
// are this short.
const maxText = 255

// cut returns the beginning of a text.
func cut(text string) string { return text[:min(len(text), maxText)] }

// decision holds a decision without its time. It does not change: decisions that are
// equal share one.
type decision struct {
	id
	proved    bool // whether key was proved beside the user name
	key       curve.PublicKey
	name      string // the user name or principal
	mechanism string
	domain    string
	address   string
	asker     string
	identity  string
	user      string
	reason    string
	rule      string
	status    zap.Status
}

// newDecision returns the decision about a request. name is the user name or principal.
func newDecision(id id, name []byte, req *zap.Request, reply *zap.Reply) *decision {
	d := &decision{id: id, name: string(name), mechanism: req.Mechanism, domain: req.Domain, address: req.Address, asker: req.Asker,
		identity: reply.Identity, rule: reply.Rule, status: reply.Status}
	if reply.Status == zap.StatusOK {
		d.user = reply.UserID
	} else {
		d.reason = reply.Text
	}
	d.key, d.proved = provedKey(req)
	for _, text := range [...]*string{&d.name, &d.mechanism, &d.domain, &d.address, &d.asker, &d.identity, &d.user, &d.reason, &d.rule} {
		*text = strings.Clone(cut(*text)) // the request and the reply belong to others
	}
	return d
}

// provedKey returns the key that a client has proved beside its user name.
func provedKey(req *zap.Request) (key curve.PublicKey, ok bool) {
	if req.Mechanism != zap.ScramSHA256Plus || len(req.Credentials) != 3 || len(req.Credentials[2]) != len(key) {
		return key, false
	}
	return curve.PublicKey(req.Credentials[2]), true
}

// says reports whether d is the decision about a request of the client with d's id. It is false
// for nil.
func (d *decision) says(req *zap.Request, reply *zap.Reply) bool {
	if d == nil || d.status != reply.Status || d.domain != cut(req.Domain) || d.address != cut(req.Address) || d.asker != cut(req.Asker) ||
		d.rule != cut(reply.Rule) || d.identity != cut(reply.Identity) || d.mechanism != cut(req.Mechanism) {
		return false
	}
	if d.proved {
		if key, _ := provedKey(req); key != d.key {
			return false
		}
	}
	if d.refused() {
		return d.reason == cut(reply.Text)
	}
	return d.user == cut(reply.UserID)
}

// refused reports whether the client was not admitted.
func (d *decision) refused() bool { return d.status != zap.StatusOK }

// last returns the decision for a Client.
func (d *decision) last(at time.Time) *Last {
	return &Last{stamp(at), d.domain, d.address, d.asker, int(d.status), d.reason, d.rule}
}

// record returns the decision as a line of the audit log.
func (d *decision) record(at time.Time) audit.Record {
	r := audit.NewRecord(at, &zap.Request{Domain: d.domain, Address: d.address, Mechanism: d.mechanism, Asker: d.asker},
		zap.Reply{Status: d.status, Text: d.reason, UserID: d.user, Rule: d.rule, Identity: d.identity})
	switch {
	case d.kind == byKey:
		r.Key, r.Fingerprint = printKey(d.sum)
	case d.kind == byLogin:
		r.Login = d.name
	case d.kind == byPrincipal:
		r.Principal = d.name
	}
	if d.proved {
		r.Key, r.Fingerprint = printKey(d.key)
	}
	return r
}

// printKey returns a key and its fingerprint as texts.
func printKey(key curve.PublicKey) (text, fingerprint string) { return key.String(), key.Fingerprint() }

// stamp returns a time as in records.
func stamp(at time.Time) time.Time { return at.UTC().Truncate(time.Millisecond) }

// decisions holds decisions that were made before, so that their repeats need no memory. The
// hash of a decision is its place.
type decisions [64]*decision

var seed = maphash.MakeSeed()

// intern returns the decision about a request of a client.
func (ds *decisions) intern(id *id, name []byte, req *zap.Request, reply *zap.Reply) *decision {
	hash := id.hash()
	for _, text := range [...]string{req.Address, req.Domain, req.Asker, reply.Text} {
		hash = hash*31 + maphash.String(seed, text)
	}
	place := &ds[(hash>>32)%uint64(len(ds))]
	if *place == nil || (*place).id != *id || !(*place).says(req, reply) {
		*place = newDecision(*id, name, req, reply)
	}
	return *place
}
