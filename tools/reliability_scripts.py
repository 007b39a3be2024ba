"""Small scripts, one for each kind of what LAMMPS keeps between two timesteps; `tools.reliability` runs them."""

from __future__ import annotations

BOX = """units lj
atom_style {style}
{before}lattice fcc 0.8442
region box block 0 4 0 4 0 4
create_box {types} box
create_atoms 1 box
mass * 1.0
velocity all create 1.44 87287 loop geom
pair_style lj/cut 2.5
pair_coeff * * 1.0 1.0 2.5
neighbor 0.3 bin
neigh_modify every 5 delay 0 check yes
"""
WATCHED = """thermo {every}
thermo_modify format float %.16g
dump d all custom {every} frames.dump id type x y z vx vy vz
dump_modify d sort id format float %.17g
run {steps}
write_data end.data
"""
MELT = {
    "nve": "fix 1 all nve",
    "nvt with a ramp": "fix 1 all nvt temp 1.44 0.8 0.5",
    "npt with ramps": "fix 1 all npt temp 1.0 1.2 0.5 iso 0.0 2.0 5.0",
    "npt, each direction by itself": "fix 1 all npt temp 1.0 1.0 0.5 aniso 0.0 0.0 5.0",
    "nph and langevin": "fix 1 all nph iso 0.0 0.0 5.0\nfix 2 all langevin 1.0 1.0 1.0 699483",
    "langevin": "fix 1 all nve\nfix 2 all langevin 1.0 1.5 1.0 4242 tally yes",
    "langevin, zero and scaled": "fix 1 all nve\nfix 2 all langevin 1.0 1.0 1.0 4242 zero yes",
    "brownian": "timestep 0.0001\nfix 1 all brownian 1.0 12908410 gamma_t 1.0",
    "berendsen": "fix 1 all nve\nfix 2 all temp/berendsen 1.4 1.0 0.5\nfix 3 all press/berendsen iso 0.0 0.0 5.0",
    "csvr": "fix 1 all nve\nfix 2 all temp/csvr 1.4 1.0 0.5 54324",
    "csld": "fix 1 all nve\nfix 2 all temp/csld 1.4 1.0 0.5 54324",
    "rescale": "fix 1 all nve\nfix 2 all temp/rescale 10 1.4 1.0 0.02 0.5",
    "nvt of parts": "region half block INF INF INF INF INF 3\ngroup low region half\ngroup high subtract all low\n"
    "fix 1 low nvt temp 1.2 1.2 0.5\nfix 2 high nvt temp 0.9 0.9 0.5",
    "bias of a profile": "compute p all temp/profile 1 1 1 z 4\nfix 1 all nvt temp 1.0 1.0 0.5\nfix_modify 1 temp p",
    "coefficients that change": "fix 1 all nve\nvariable e equal ramp(1.0,1.3)\n"
    "fix 2 all adapt 10 pair lj/cut epsilon 1 1 v_e",
    "a timestep that changes": "fix 1 all nve\nfix 2 all dt/reset 10 NULL 0.005 0.01 units box",
    "a box that is deformed": "fix 1 all nvt temp 1.0 1.0 0.5\nfix 2 all deform 1 x trate 0.02 remap v",
    "sheared": "change_box all triclinic\nfix 1 all nvt/sllod temp 1.0 1.0 0.5\n"
    "fix 2 all deform 1 xy erate 0.05 remap v",
    "averages over windows": "fix 1 all nve\nfix 2 all ave/time 1 90 100 c_thermo_temp ave window 2 file a.txt",
    "running means": "fix 1 all nve\nfix 2 all ave/time 5 4 50 c_thermo_temp ave running file a.txt\n"
    "compute m all msd average yes\nfix 3 all ave/time 1 1 50 c_m[4] file m.txt",
    "profiles": "fix 1 all nve\ncompute c all chunk/atom bin/1d z lower 0.25 units reduced\n"
    "fix 2 all ave/chunk 5 10 50 c density/number temp ave running file p.txt",
    "averages on a grid": "fix 1 all nve\nfix 2 all ave/grid 5 10 50 4 4 4 vx density/number ave running\n"
    "dump g all grid 50 g.txt f_2:grid:data[*]",
    "correlations": "fix 1 all nve\n"
    "fix 2 all ave/correlate 5 10 100 c_thermo_temp c_thermo_press type auto ave running file c.txt",
    "vectors": "fix 1 all nve\nfix 2 all vector 10 c_thermo_temp\nvariable s equal trap(f_2)\n"
    "fix 3 all print 50 '$(step) $s' file v.txt screen no",
    "springs": "fix 1 all nve\nfix 2 all spring/self 5.0\nfix 3 all ti/spring 10.0 400 200",
    "momentum": "fix 1 all nve\nfix 2 all momentum 20 linear 1 1 1 angular rescale\nfix 3 all addforce 0.1 0.0 0.0",
    "heat": "fix 1 all nve\nfix 2 all ehex 5 1.0\nfix 3 all heat 10 -0.5",
    "thermal conductivity": "fix 1 all nve\nfix 2 all thermal/conductivity 20 z 8",
    "properties of atoms": "fix 0 all property/atom d_a i_b ghost yes\nset atom * d_a 0.5 i_b 3\nfix 1 all nve\n"
    "fix 2 all store/state 100 x vx\nvariable k atom v_u*2\nvariable u atom vx\nfix 3 all ave/atom 5 10 50 v_k",
    "a sum over atoms": "fix 1 all nve\ncompute r all reduce sum x\nthermo_style custom step temp c_r pe press",
    "schedules by variable": "fix 1 all nve\nvariable next equal stride(0,1000,70)\ndump e all atom 50 e.dump\n"
    "dump_modify e every v_next sort id",
    "two stages": "fix 1 all nvt temp 1.4 1.0 0.5\nrun 400\nunfix 1\nfix 1 all npt temp 1.0 1.0 0.5 iso 0 0 5.0",
    "a loop": "fix 1 all nve\nfix 2 all langevin 1.0 1.0 1.0 77\nvariable i loop 3\nlabel more\nrun 200\n"
    "print 'pass $i at $(temp)' append passes.txt\nnext i\njump SELF more",
    "minimized first": "fix 1 all nve\nminimize 1e-4 1e-4 50 200\nvelocity all create 1.0 4711",
}
MIXTURE = {
    "atoms that swap": "set type 1 type/fraction 2 0.5 12393\npair_coeff 1 2 1.1 1.0 2.5\nfix 1 all nve\n"
    "fix 2 all langevin 1.0 1.0 1.0 12\nfix 3 all atom/swap 10 5 29494 1.0 ke no types 1 2",
    "atoms that come and go": "fix 1 all nve\nfix 2 all langevin 1.0 1.0 1.0 12\n"
    "compute_modify thermo_temp dynamic/dof yes\nfix 3 all gcmc 20 5 5 1 29494 1.0 -2.0 0.1",
    "atoms that fall in": "change_box all boundary p p f z final 0 20 units box\nfix 1 all nve\n"
    "fix w all wall/reflect zlo EDGE zhi EDGE\nregion s block 0 6 0 6 16 18 units box\n"
    "compute_modify thermo_temp dynamic/dof yes\nfix 3 all deposit 20 2 25 29494 region s near 1.0 vz -1.0 -1.0",
    "atoms that evaporate": "fix 1 all nve\ncompute_modify thermo_temp dynamic/dof yes\n"
    "fix 3 all evaporate 20 1 box 38277",
}
OTHERS = {
    "dissipative particles": """units lj
comm_modify vel yes
atom_style atomic
region box block 0 5 0 5 0 5
create_box 1 box
create_atoms 1 random 375 12345 box
mass 1 1.0
pair_style dpd 1.0 1.0 34387
pair_coeff * * 25.0 4.5
timestep 0.02
fix 1 all nve
""",
    "grains": """units lj
atom_style sphere
comm_modify vel yes
boundary p p f
region box block 0 8 0 8 0 12
create_box 1 box
pair_style gran/hertz/history 4000.0 NULL 100.0 NULL 0.5 1
pair_coeff * *
region slab block 1 7 1 7 8 11
timestep 0.005
fix 1 all nve/sphere
fix 2 all gravity 1.0 vector 0 0 -1
fix 3 all wall/gran hertz/history 4000.0 NULL 100.0 NULL 0.5 1 zplane 0 12
fix 4 all pour 150 1 4767548 vol 0.4 10 region slab
thermo_modify lost ignore
compute_modify thermo_temp dynamic/dof yes
""",
    "chains that bind": """units lj
atom_style bond
lattice fcc 0.8442
region box block 0 4 0 4 0 4
create_box 1 box bond/types 1 extra/bond/per/atom 4 extra/special/per/atom 20
create_atoms 1 box
mass 1 1.0
special_bonds lj 0 1 1
velocity all create 1.0 87287 loop geom
pair_style lj/cut 1.12246
pair_modify shift yes
pair_coeff * * 1.0 1.0
bond_style harmonic
bond_coeff 1 100.0 1.05
fix 1 all nve
fix 2 all langevin 1.0 1.0 1.0 904297
fix 3 all bond/create 20 1 1 1.1 1 prob 0.2 85784 iparam 2 1 jparam 2 1
""",
    "rigid bodies": """units lj
atom_style molecular
comm_modify cutoff 4.0
lattice sc 0.3
region box block 0 10 0 4 0 4
create_box 1 box
create_atoms 1 box
mass 1 1.0
variable m atom ceil(id/5)
set group all mol v_m
velocity all create 1.0 87287 loop geom
pair_style lj/cut 1.12246
pair_coeff * * 1.0 1.0
neigh_modify exclude molecule/intra all
fix 1 all rigid/small molecule langevin 1.0 1.0 1.0 428984
""",
}


def script(kind: str, steps: int) -> str:
    """The whole script of a kind, of `steps` timesteps in its last stage."""
    watched = WATCHED.format(steps=steps, every=max(10, steps // 20))
    if kind in MELT:
        return BOX.format(style="atomic", types=1, before="atom_modify map array\n") + MELT[kind] + "\n" + watched
    if kind in MIXTURE:
        return BOX.format(style="atomic", types=2, before="atom_modify map array\n") + MIXTURE[kind] + "\n" + watched
    return OTHERS[kind] + watched


KINDS = (*MELT, *MIXTURE, *OTHERS)
