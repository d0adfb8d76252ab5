package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/follow"
	"github.com/zcurve/zcurve/internal/modes"
	"github.com/zcurve/zcurve/zmtp"
)

// loadCertificate loads zauth's secret certificate, from --cert or from the
// environment.
func loadCertificate(f serveFlags, log *slog.Logger) (*cert.Certificate, error) {
	var c *cert.Certificate
	text, isSet := os.LookupEnv(certVariable)
	var err error
	if isSet {
		f.cert = certVariable
		c, err = cert.Parse([]byte(text))
		if place, ok := errors.AsType[*cert.SyntaxError](err); ok {
			place.File = certVariable
		}
	} else {
		c, err = cert.Load(f.cert)
	}
	if err != nil {
		return nil, err
	}
	if why := modes.Writable(f.cert); why != "" && !isSet {
		return nil, errors.New(why)
	}
	for _, w := range c.Warnings {
		if w.Mode != 0 && modes.IsMounted(f.cert) {
			continue
		}
		if w.Mode != 0 && f.strict {
			return nil, fmt.Errorf("%s: %s", f.cert, w.Text)
		}
		log.Warn("certificate warning", "file", f.cert, "line", w.Line, "reason", w.Text)
	}
	if _, locked := c.Locked(); locked {
		return nil, cli.Hint(fmt.Errorf("%s: secret key is locked with a passphrase", f.cert),
			"zauth cannot ask for a passphrase; unlock the key first: zcert unlock "+f.cert)
	}
	if c.Secret.IsZero() {
		return nil, cli.Hint(
			fmt.Errorf("%s: no secret key in this file", f.cert),
			fmt.Sprintf("use the secret certificate: --cert %s%s", f.cert, cert.SecretSuffix))
	}
	err = cert.CheckKey(c.Public)
	if err == nil && c.Authority != (cert.AuthorityKey{}) {
		err = c.Authority.Check()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.cert, err)
	}
	return c, nil
}

// followCertificate watches the file of zauth's certificate until ctx is done, and passes
// the new key to the listeners when it changes. If the file is invalid, it logs an error
// and keeps the current key.
func followCertificate(ctx context.Context, f serveFlags, inUse curve.PublicKey, listeners []*zmtp.Listener, log *slog.Logger) {
	if f.cert == "" {
		return // no certificate, or one in the environment, which never changes
	}
	var stamp follow.Stamp
	var failed string
	follow.Follower{Name: f.cert, Log: log}.Follow(ctx, func([]string, bool) (next follow.Next) {
		next.Dirs = []string{filepath.Dir(f.cert)}
		if stamp.Exists() && stamp.IsOf(f.cert) {
			return next
		}
		if follow.IsBusy(f.cert) {
			next.After = follow.Stillness
			return next
		}
		now := follow.Look(f.cert)
		c, err := loadCertificate(f, slog.New(slog.DiscardHandler))
		if err == nil && inUse != c.Public {
			for _, ln := range listeners {
				err = errors.Join(err, ln.SetKey(c.Secret))
			}
			if err == nil {
				log.Info("zauth's certificate changed: services need the new public certificate", "key", c.Public, "file", f.cert)
			}
		}
		switch {
		case err == nil:
			stamp, inUse, failed = now, c.Public, ""
		case err.Error() != failed:
			failed = err.Error()
			log.Error("loading zauth's certificate failed: keeping the current key", "err", err)
		}
		return next
	})
}
