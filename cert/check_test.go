package cert

import (
	"encoding/hex"
	"errors"
	"slices"
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
	trusted := []AuthorityKey{acme.Key}
	strangers := []AuthorityKey{authority(t, "other").Key}
	lowOrder, err := hex.DecodeString("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")
	if err != nil {
		t.Fatal(err)
	}
	byPublished := &Certificate{Public: fresh.Public}
	ztest.Must(t, vectorAuthority(t, "acme.authority_secret").Sign(byPublished))
	byWeak := &Certificate{Public: fresh.Public, Authority: AuthorityKey{1}, signature: signatureBytes{1}}
	now := day(3, 15)
	second := time.Second
	lists := func(l ...*RevocationList) []*RevocationList { return l }
	for name, tt := range map[string]struct {
		c           *Certificate
		authorities []AuthorityKey // nil: Certificate.Check alone
		revocations []*RevocationList
		now         time.Time
		want        error
	}{
		"good":                          {good(), trusted, lists(none), now, nil},
		"good, without an authority":    {good(), nil, nil, now, nil},
		"unsigned, no authority":        {unsigned(Validity{}), nil, nil, now, nil},
		"unsigned":                      {unsigned(Validity{}), trusted, nil, now, errUnsigned},
		"no authorities":                {good(), []AuthorityKey{}, nil, now, errUnknownAuthority},
		"unsigned, no authorities":      {unsigned(Validity{}), []AuthorityKey{}, nil, now, errUnsigned},
		"unsigned, no key trusted":      {unsigned(Validity{}), []AuthorityKey{{}}, nil, now, errUnsigned},
		"unknown authority":             {good(), strangers, nil, now, errUnknownAuthority},
		"wrong signature":               {good(func(c *Certificate) { c.signature[0] ^= 1 }), trusted, nil, now, errSignature},
		"wrong signature, no authority": {good(func(c *Certificate) { c.Serial++ }), nil, nil, now, errSignature},
		"not before":                    {good(), trusted, nil, day(1, 1).Add(-second), ErrNotYetValid},
		"first instant":                 {good(), trusted, nil, day(1, 1), nil},
		"last instant":                  {good(), trusted, nil, day(12, 31).Add(-1), nil},
		"not after":                     {good(), trusted, nil, day(12, 31), ErrExpired},
		"expired, unsigned":             {unsigned(Validity{NotAfter: now}), nil, nil, now, ErrExpired},
		"no beginning":                  {unsigned(Validity{NotAfter: now}), nil, nil, time.Unix(0, 0), nil},
		"no end":                        {unsigned(Validity{NotBefore: now}), nil, nil, now.AddDate(1000, 0, 0), nil},
		"revoked key":                   {good(), trusted, lists(list), now, ErrRevoked},
		"revoked key, expired list":     {good(), trusted, lists(list), day(5, 1), ErrRevoked},
		"revoked on the second list":    {good(), trusted, lists(none, list), now, ErrRevoked},
		"revoked serial":                {good(), trusted, lists(bySerial), now, ErrRevoked},
		"another authority's serial":    {good(), slices.Concat(trusted, strangers), lists(others), now, nil},
		"expired list":                  {good(), trusted, lists(none), day(4, 1), errListExpired},
		"list of the future":            {good(), trusted, lists(none), day(3, 1).Add(-second), errListNotIssued},
		"another authority's old list":  {good(), slices.Concat(trusted, strangers), lists(others), day(5, 1), nil},
		"list of a stranger":            {good(), trusted, lists(others), now, errUnknownAuthority},
		"list of nobody":                {good(), trusted, lists(new(RevocationList)), now, errUnknownAuthority},
		"all zero":                      {&Certificate{}, nil, nil, now, curve.ErrPublicKey},
		"low order":                     {&Certificate{Public: curve.PublicKey(lowOrder)}, nil, nil, now, curve.ErrPublicKey},
		"published":                     {alice(t), nil, nil, now, errPublishedKey},
		"published, with an authority":  {alice(t), trusted, nil, now, errPublishedKey},
		"published authority":           {byPublished, []AuthorityKey{byPublished.Authority}, nil, now, errPublishedKey},
		"published, nobody asked":       {byPublished, nil, nil, now, errPublishedKey},
		"weak authority":                {byWeak, []AuthorityKey{byWeak.Authority}, nil, now, errAuthorityKey},
	} {
		err := tt.c.Check(tt.now)
		if tt.authorities != nil {
			checker := Checker{Authorities: tt.authorities, Revocations: tt.revocations, Clock: func() time.Time { return tt.now }}
			err = checker.Check(tt.c)
		}
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
		if untrusted := tt.want == errUnsigned || tt.want == errUnknownAuthority; errors.Is(err, ErrUntrusted) != untrusted {
			t.Errorf("%s: %v is ErrUntrusted: %v", name, err, !untrusted)
		}
	}
	real := Checker{Authorities: trusted}
	for offset, want := range map[time.Duration]error{time.Hour: nil, 0: ErrExpired} {
		c := good(func(c *Certificate) { c.Validity.NotAfter = time.Now().Add(offset).Truncate(second) })
		c.Validity.NotBefore = time.Time{}
		ztest.Must(t, acme.Sign(c))
		if err := real.Check(c); !errors.Is(err, want) {
			t.Errorf("by the real clock: got %v, want %v", err, want)
		}
	}
}
