package policy

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/sasl"
	"github.com/zcurve/zcurve/zap"
)

// scramRules decides which logins by SCRAM to admit.
type scramRules struct {
	rule     string
	accounts map[string]*account // with a verifier
	kinds    []*sasl.Verifier    // one for each number of iterations and size of the salt
	memory   *memory             // has the key of decoys
}

func newScramRules(s *plainSection, m *memory) *scramRules {
	p := &scramRules{rule: s.rule, accounts: map[string]*account{}, memory: m}
	kinds := map[string]*sasl.Verifier{}
	for _, a := range s.accounts {
		if a.verifier != nil {
			p.accounts[a.login] = a
			kinds[a.verifier.Decoy([decoyKeySize]byte{}, "").Encode()] = a.verifier
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		p.kinds = append(p.kinds, kinds[kind])
	}
	return p
}

// verifier returns the verifier of a login, or a decoy of the same kind as one of the
// accounts. It takes the same steps for each login.
func (p *scramRules) verifier(login string) sasl.Verifier {
	key := p.memory.current.Load().decoys
	sum := sha256.Sum256(append(key[:], login...))
	v := p.kinds[binary.LittleEndian.Uint64(sum[:])%uint64(len(p.kinds))].Decoy(key, login)
	if a := p.accounts[login]; a != nil {
		v = *a.verifier
	}
	return v
}

// scramLogin decides about a login by SCRAM, which proves a key as well if it is bound to a
// CURVE connection. It takes the same steps for each login. If a client lacks the key that it
// needs, the answer does not depend on its password.
func (d *domain) scramLogin(req *zap.Request, now time.Time) zap.Reply {
	login, clientKey, key, _ := req.ScramLogin()
	return d.scramUser(req.Mechanism, login, key, now, func(v sasl.Verifier, _ *account) bool { return v.Matches(clientKey[:]) })
}

// scramUser decides about a login by SCRAM. proves reports whether the client proved the
// password of a verifier, which is a decoy if there is no account.
func (d *domain) scramUser(mechanism, login string, key curve.PublicKey, now time.Time, proves func(sasl.Verifier, *account) bool) zap.Reply {
	needsBoth := d.needsKey() != ""
	var byKey zap.Reply
	var g *granted
	switch {
	case needsBoth:
		if byKey, g = d.curve.decide(key, now); byKey.Status != zap.StatusOK {
			return byKey
		}
		if byKey.UserID == key.String() {
			return refuseIdentity(noUserID, byKey.Rule, byKey.Identity)
		}
	case mechanism == zap.ScramSHA256Plus:
		if why, rule, name := d.keys.revocation(key, now); why != "" {
			return refuseIdentity(why, rule, name)
		}
	}
	v := d.scram.verifier(login)
	a := d.scram.accounts[login]
	matches := proves(v, a)
	switch {
	case a == nil:
		return refuse(wrongPassword, d.scram.rule)
	case needsBoth && byKey.UserID != a.userID:
		return refuseIdentity(anotherUser, byKey.Rule, byKey.Identity)
	case !matches:
		return refuse(wrongPassword, d.scram.rule)
	}
	reply := a.reply()
	if needsBoth {
		reply.Metadata = withGroups(a.metadata, g.in(a.groups).groups)
	}
	return reply
}

// reply returns the reply that admits a client as the user of an account.
func (a *account) reply() zap.Reply {
	return zap.Reply{Status: zap.StatusOK, Text: "OK", Rule: a.rule, UserID: a.userID, Identity: a.login, Metadata: a.metadata}
}
