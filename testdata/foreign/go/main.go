// Checks an evidence bundle, or a folder of the same shape, with the code of
// Go's checksum database. See the README beside this folder.
package main

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: verify-go EVIDENCE VKEY_FILE")
		os.Exit(2)
	}
	if err := check(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
}

func check(evidence, vkeyFile string) error {
	vkey, err := os.ReadFile(vkeyFile)
	if err != nil {
		return err
	}
	log, err := note.NewVerifier(strings.TrimSpace(string(vkey)))
	if err != nil {
		return err
	}
	files, err := read(evidence)
	if err != nil {
		return err
	}
	signed := files["checkpoint"]
	tree, err := open(signed, log)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}

	events := 0
	for name, leaf := range files {
		n, isEvent := between(name, "events/", ".json")
		if !isEvent {
			continue
		}
		if err := included(n, leaf, files["proofs/"+n+".tlog-proof"], signed, tree); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		events++
	}
	if events == 0 {
		return errors.New("there is no event to check")
	}

	if old, found := files["old.checkpoint"]; found {
		if err := extends(old, files["consistency"], tree, log); err != nil {
			return fmt.Errorf("old.checkpoint: %w", err)
		}
	}
	fmt.Printf("%d events in a log of %d\n", events, tree.N)
	return nil
}

// read gives the files of a folder or of a zip by name.
func read(evidence string) (map[string][]byte, error) {
	info, err := os.Stat(evidence)
	if err != nil {
		return nil, err
	}
	var tree fs.FS = os.DirFS(evidence)
	if !info.IsDir() {
		archive, err := zip.OpenReader(evidence)
		if err != nil {
			return nil, err
		}
		defer archive.Close()
		tree = archive
	}
	files := map[string][]byte{}
	err = fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		file, err := tree.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		files[name], err = io.ReadAll(file)
		return err
	})
	return files, err
}

// open checks the signature and reads size and root. The library reads only
// checkpoints of the checksum database itself, hence these lines.
func open(signed []byte, log note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open(signed, note.VerifierList(log))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != log.Name() || lines[3] != "" {
		return tlog.Tree{}, errors.New("not a checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

// included checks one event's proof against the checkpoint of the bundle.
func included(n string, leaf, proof, signed []byte, tree tlog.Tree) error {
	head, checkpoint, found := strings.Cut(string(proof), "\n\n")
	if !found || !bytes.Equal([]byte(checkpoint), signed) {
		return errors.New("the proof does not carry the checkpoint of the bundle")
	}
	lines := strings.Split(head, "\n")
	if len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" || lines[1] != "index "+n {
		return errors.New("not a proof of this event")
	}
	index, err := strconv.ParseInt(n, 10, 64)
	if err != nil {
		return err
	}
	path, err := hashes(lines[2:])
	if err != nil {
		return err
	}
	return tlog.CheckRecord(path, tree.N, tree.Hash, index, tlog.RecordHash(leaf))
}

// extends checks that the log only grew since the old checkpoint.
func extends(old, proof []byte, tree tlog.Tree, log note.Verifier) error {
	before, err := open(old, log)
	if err != nil {
		return err
	}
	path, err := hashes(strings.Fields(string(proof)))
	if err != nil {
		return err
	}
	return tlog.CheckTree(path, tree.N, tree.Hash, before.N, before.Hash)
}

func hashes(lines []string) ([]tlog.Hash, error) {
	var all []tlog.Hash
	for _, line := range lines {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return nil, err
		}
		all = append(all, hash)
	}
	return all, nil
}

func between(name, prefix, suffix string) (string, bool) {
	if !strings.HasPrefix(name, prefix) || !strings.HasSuffix(name, suffix) {
		return "", false
	}
	return strings.TrimSuffix(strings.TrimPrefix(name, prefix), suffix), true
}
