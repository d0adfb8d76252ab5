package cert

import (
	"errors"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/ztest"
)

// bundleOf returns a signed certificate with a service.
func bundleOf(t *testing.T) *Certificate {
	t.Helper()
	c := Generate("alice")
	c.Validity = Validity{NotAfter: day(12, 31)}
	ztest.Must(t, authority(t, "acme").Sign(c))
	c.Service = Service{Key: Generate("").Public, Endpoints: []string{"tcp://127.0.0.1:5555"}}
	return c
}

// TestBundleSecret checks that the section service is in the secret certificate only.
func TestBundleSecret(t *testing.T) {
	t.Parallel()
	c := bundleOf(t)
	secret, err := c.AppendSecret(nil)
	ztest.Must(t, err)
	back, err := Parse(secret)
	ztest.Must(t, err)
	if len(back.Warnings) > 0 || back.Service.Key != c.Service.Key || strings.Join(back.Service.Endpoints, " ") != "tcp://127.0.0.1:5555" {
		t.Errorf("read %+v, %v from\n%s", back.Service, back.Warnings, secret)
	}
	for name, write := range map[string]func([]byte) ([]byte, error){
		"public": c.AppendPublic, "canonical": c.AppendCanonical, "without secret": c.WithoutSecret().AppendPublic,
	} {
		text, err := write(nil)
		ztest.Must(t, err)
		if strings.Contains(string(text), "service") || strings.Contains(string(text), c.Service.Key.String()) {
			t.Errorf("%s:\n%s", name, text)
		}
	}
	if !c.WithoutSecret().Service.IsZero() {
		t.Error("WithoutSecret kept the service")
	}
}

// TestBundleRefused checks what can't be written as a bundle.
func TestBundleRefused(t *testing.T) {
	t.Parallel()
	c := bundleOf(t)
	if err := c.Lock([]byte("passphrase")); !errors.Is(err, errServiceLocked) || c.Secret.IsZero() {
		t.Errorf("locking: %v", err)
	}
	lockedKey, _ := locked(t, "passphrase")
	lockedKey.Service = c.Service
	if _, err := lockedKey.AppendSecret(nil); !errors.Is(err, errServiceLocked) {
		t.Errorf("a locked certificate with a service: %v", err)
	}
	for name, s := range map[string]Service{
		"no endpoint":         {Key: c.Public},
		"no key":              {Endpoints: []string{"tcp://127.0.0.1:5555"}},
		"endpoint":            {Key: c.Public, Endpoints: []string{"127.0.0.1:5555"}},
		"line feed":           {Key: c.Public, Endpoints: []string{"ipc://a\nb"}},
		"both kinds of quote": {Key: c.Public, Endpoints: []string{`ipc://a"'`}},
		"quote":               {Key: c.Public, Endpoints: []string{`ipc://a"`}},
	} {
		c.Service = s
		if text, err := c.AppendSecret(nil); err == nil {
			t.Errorf("%s: wrote\n%s", name, text)
		} else if name != "no key" && !errors.Is(err, form.ErrProperty) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
