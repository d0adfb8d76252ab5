package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/modes"
	"github.com/zcurve/zcurve/internal/zpl"
	"github.com/zcurve/zcurve/policy"
)

const (
	// maxPasswordFile is the size in bytes of the largest password file.
	maxPasswordFile = 1 << 20
	// maxUsers is how many accounts a policy of 4 MiB has room for.
	maxUsers = 10_000
)

func newPasswd() *cobra.Command {
	var domain string
	cmd := &cobra.Command{
		Use:   "passwd FILE [NAME ...]",
		Short: "Convert a password file to policy accounts",
		Long: `Passwd reads a file of lines NAME=PASSWORD, as czmq's zauth and others have it, or
stdin for "-". It prints a policy with an account for each, or for those named, and
its password hashed by Argon2id. Lines that begin with # and empty lines are ignored.

The output holds no password: redirect it into a policy file, or copy its accounts
into one that is there. Then delete the file that was read. Hashing takes a fraction
of a second for each password.`,
		Example: `  zauth passwd passwords.txt > policy.zpl
  zauth passwd passwords.txt alice bob --domain chat >> policy.zpl
  zauth check policy.zpl`,
		Args: cli.SomeArgs("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := readPasswordFile(cmd, args[0])
			if err != nil {
				return err
			}
			defer clear(text)
			users, err := parsePasswords(text)
			if err == nil {
				users, err = selectUsers(users, args[1:])
			}
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return printAccounts(cmd, domain, users)
		},
	}
	cmd.Flags().StringVar(&domain, "domain", "", "the ZAP `domain` of the policy; without it, every domain")
	return cmd
}

func readPasswordFile(cmd *cobra.Command, path string) ([]byte, error) {
	in := cmd.InOrStdin()
	if path != "-" {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("reading passwords failed: %w", err)
		}
		if !info.Mode().IsRegular() {
			return nil, cli.Hint(fmt.Errorf("%s: not a regular file", path), "read a pipe from stdin: zauth passwd -")
		}
		if why := modes.Readable(path); why != "" {
			fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s: it has passwords in it\n", why)
		}
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("reading passwords failed: %w", err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxPasswordFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading passwords failed: %w", err)
	}
	if len(text) > maxPasswordFile {
		return nil, fmt.Errorf("%s: more than %d bytes", path, maxPasswordFile)
	}
	return text, nil
}

// passwordLine is a line of a password file.
type passwordLine struct {
	name     string
	password []byte // a part of the file's text
}

// parsePasswords reads lines NAME=PASSWORD. A name ends at the first "=", all behind
// it is the password. The error tells the line, and nothing of a password.
func parsePasswords(text []byte) (users []passwordLine, err error) {
	seen := map[string]bool{}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	for number := 1; len(text) > 0; number++ {
		var line []byte
		line, text, _ = bytes.Cut(text, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		name, password, ok := bytes.Cut(line, []byte("="))
		if !ok {
			return nil, fmt.Errorf("line %d: expected NAME=PASSWORD", number)
		}
		u := passwordLine{string(name), password}
		if err := u.check(); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if seen[u.name] {
			return nil, fmt.Errorf("line %d: user %q appears twice", number, u.name)
		}
		seen[u.name] = true
		if users = append(users, u); len(users) > maxUsers {
			return nil, fmt.Errorf("more than %d users", maxUsers)
		}
	}
	if len(users) == 0 {
		return nil, errors.New("no line NAME=PASSWORD")
	}
	return users, nil
}

// check returns what keeps a user out of a policy.
func (u passwordLine) check() error {
	switch {
	case u.name == "":
		return errors.New("no name before the =")
	case len(u.name) > maxPassword:
		return fmt.Errorf("the name has more than %d bytes, which PLAIN can't carry", maxPassword)
	case strings.TrimSpace(u.name) != u.name:
		return fmt.Errorf("name %q: blanks before the = are part of the name: remove them", u.name)
	case zpl.CheckValue(u.name) != nil:
		return fmt.Errorf("name %q: a policy can't hold it: %w", u.name, zpl.CheckValue(u.name))
	case bytes.HasPrefix(u.password, []byte("$argon2")), bytes.HasPrefix(u.password, []byte("$2")) && len(u.password) == 60:
		return fmt.Errorf("the password of %q is a hash: put it into the policy as it is", u.name)
	}
	if _, err := checkPassword(u.password); err != nil {
		return fmt.Errorf("user %q: %w", u.name, err)
	}
	return nil
}

// selectUsers returns the users of these names, in their order, or all.
func selectUsers(users []passwordLine, names []string) ([]passwordLine, error) {
	if len(names) == 0 {
		return users, nil
	}
	var selected []passwordLine
	for _, name := range names {
		i := slices.IndexFunc(users, func(u passwordLine) bool { return u.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no user %q", name)
		}
		selected = append(selected, users[i])
	}
	return selected, nil
}

// printAccounts hashes the passwords, and prints a policy when all are.
func printAccounts(cmd *cobra.Command, domain string, users []passwordLine) error {
	progress := io.Discard
	if f, ok := cmd.ErrOrStderr().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		progress = f
	}
	property := func(name, value string, children ...*zpl.Node) *zpl.Node {
		return &zpl.Node{Name: name, Value: value, HasValue: true, Children: children}
	}
	plain := property("plain", "1")
	for i, u := range users {
		if err := cmd.Context().Err(); err != nil {
			return fmt.Errorf("interrupted: nothing was printed: %w", err)
		}
		fmt.Fprintf(progress, "\rhashing %d of %d", i+1, len(users))
		plain.Children = append(plain.Children, &zpl.Node{Name: "account", Children: []*zpl.Node{
			property("login", u.name), property("password", policy.HashPassword(u.password)),
		}})
	}
	fmt.Fprintln(progress)
	security := &zpl.Node{Name: "security", Children: []*zpl.Node{plain}}
	if domain != "" {
		security.Children = slices.Insert(security.Children, 0, property("domain", domain))
	}
	text, err := zpl.Append(nil, nil, []*zpl.Node{security})
	if err != nil {
		return fmt.Errorf("--domain %q: %w", domain, err)
	}
	if _, err := cmd.OutOrStdout().Write(text); err != nil {
		return fmt.Errorf("writing failed: %w", err)
	}
	return nil
}
