package cert

import (
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
)

// TestChecker: each refusal has its own error.
func TestChecker(t *testing.T) {
	t.Parallel()
	acme := authority(t, "acme")
	fresh := Generate("bob")
	good := func(change ...func(*Certificate)) *Certificate {
		c := &Certificate{Public: fresh.Public, Serial: 7, Metadata: fresh.Metadata, Validity: Validity{day(1, 1), day(12, 31)}}
		if err := acme.Sign(c); err != nil {
			t.Fatal(err)
		}
		for _, f := range change {
			f(c)
		}
		return c
	}
	unsigned := func(v Validity) *Certificate { return &Certificate{Public: fresh.Public, Validity: v} }
	list := new(RevocationList)
	list.add(Revocation{Key: fresh.Public, Time: day(2, 1), Reason: "lost"})
	bySerial := new(RevocationList)
	bySerial.add(Revocation{Serial: 7, Time: day(2, 1)})
	none := new(RevocationList)
	others := new(RevocationList)
	others.add(Revocation{Serial: 7, Time: day(2, 1)})
	for _, l := range []*RevocationList{list, bySerial, none} {
		if err := acme.SignRevocations(l, day(3, 1), day(4, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := authority(t, "other").SignRevocations(others, day(3, 1), day(4, 1)); err != nil {
		t.Fatal(err)
	}
	trusted := func(k AuthorityKey) bool { return k == acme.Key }
	lowOrder, err := hex.DecodeString("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")
	if err != nil {
		t.Fatal(err)
	}
	byPublished := &Certificate{Public: fresh.Public}
	ztest.Must(t, vectorAuthority(t, "acme.authority_secret").Sign(byPublished))
	byWeak := &Certificate{Public: fresh.Public, Authority: AuthorityKey{1}, Signature: Signature{1}}
	now := day(3, 15)
	second := time.Second
	for name, tt := range map[string]struct {
		c           *Certificate
		isAuthority func(AuthorityKey) bool
		revoked     func(*Certificate, time.Time) error
		now         time.Time
		want        error
	}{
		"good":                            {good(), trusted, none.Check, now, nil},
		"good, nothing asked":             {good(), nil, nil, now, nil},
		"unsigned, nothing asked":         {unsigned(Validity{}), nil, nil, now, nil},
		"unsigned":                        {unsigned(Validity{}), trusted, nil, now, ErrUnsigned},
		"unknown authority":               {good(), func(AuthorityKey) bool { return false }, nil, now, ErrUnknownAuthority},
		"wrong signature":                 {good(func(c *Certificate) { c.Signature[0] ^= 1 }), trusted, nil, now, ErrSignature},
		"wrong signature, nothing asked":  {good(func(c *Certificate) { c.Serial++ }), nil, nil, now, ErrSignature},
		"not before":                      {good(), trusted, nil, day(1, 1).Add(-second), ErrNotYetValid},
		"first instant":                   {good(), trusted, nil, day(1, 1), nil},
		"last instant":                    {good(), trusted, nil, day(12, 31).Add(-1), nil},
		"not after":                       {good(), trusted, nil, day(12, 31), ErrExpired},
		"expired, unsigned":               {unsigned(Validity{NotAfter: now}), nil, nil, now, ErrExpired},
		"no beginning":                    {unsigned(Validity{NotAfter: now}), nil, nil, time.Unix(0, 0), nil},
		"no end":                          {unsigned(Validity{NotBefore: now}), nil, nil, now.AddDate(1000, 0, 0), nil},
		"revoked key":                     {good(), trusted, list.Check, now, ErrRevoked},
		"revoked key, unsigned":           {unsigned(Validity{}), nil, list.Check, now, ErrRevoked},
		"revoked key, expired list":       {good(), trusted, list.Check, day(5, 1), ErrRevoked},
		"revoked serial":                  {good(), trusted, bySerial.Check, now, ErrRevoked},
		"another authority's serial":      {good(), trusted, others.Check, now, nil},
		"expired list":                    {good(), trusted, none.Check, day(4, 1), ErrRevocationsExpired},
		"list of the future":              {good(), trusted, none.Check, day(3, 1).Add(-second), ErrRevocationsNotYetValid},
		"another authority's list is old": {good(), trusted, others.Check, day(5, 1), nil},
		"all zero":                        {&Certificate{}, nil, nil, now, curve.ErrPublicKey},
		"low order":                       {&Certificate{Public: curve.PublicKey(lowOrder)}, nil, nil, now, curve.ErrPublicKey},
		"published":                       {alice(t), nil, nil, now, ErrPublishedKey},
		"published authority":             {byPublished, anyAuthority, nil, now, ErrPublishedKey},
		"published authority, not asked":  {byPublished, nil, nil, now, ErrPublishedKey},
		"weak authority":                  {byWeak, anyAuthority, nil, now, ErrAuthorityKey},
	} {
		checker := Checker{IsAuthority: tt.isAuthority, Revoked: tt.revoked, Clock: func() time.Time { return tt.now }}
		if err := checker.Check(tt.c); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
	if err := new(Checker).Check(unsigned(Validity{NotAfter: time.Now().Add(time.Hour).Truncate(second)})); err != nil {
		t.Errorf("by the real clock: %v", err)
	}
	if err := new(Checker).Check(unsigned(Validity{NotAfter: time.Now().Truncate(second)})); !errors.Is(err, ErrExpired) {
		t.Errorf("by the real clock: %v", err)
	}
}
