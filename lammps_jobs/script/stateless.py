"""Styles that hold nothing but their settings, so that a new process lacks nothing when it has issued them again.

By LAMMPS's source (22 July 2025, files pair_*.cpp and compute_*.cpp with the classes that they inherit): no random
stream, no history, no fix of their own, no running mean. Of a style that is not here, nothing of the kind is known.
"""

from __future__ import annotations

_PAIR_STYLES = """
adp agni aip/water/2dm airebo airebo/morse atm beck body/nparticle bop born born/coul/dsf born/coul/dsf/cs
born/coul/long born/coul/long/cs born/coul/msm born/coul/wolf born/coul/wolf/cs born/gauss bpm/spring buck
buck/coul/cut buck/coul/long buck/coul/long/cs buck/coul/msm buck/long/coul/long buck/mdf buck6d/coul/gauss/dsf
buck6d/coul/gauss/long colloid comb comb3 cosine/squared coul/ctip coul/cut coul/cut/dielectric coul/cut/global
coul/cut/soft coul/debye coul/diel coul/dsf coul/exclude coul/long coul/long/cs coul/long/dielectric coul/long/soft
coul/msm coul/shield coul/slater/cut coul/slater/long coul/streitz coul/tt coul/wolf coul/wolf/cs dispersion/d3 drip
e3b eam eam/alloy eam/cd eam/cd/old eam/fs eam/he edip edip/multi eff/cut eim exp6/rx extep gauss gauss/cut gayberne
gw gw/zbl harmonic/cut hbond/dreiding/lj hbond/dreiding/lj/angleoffset hbond/dreiding/morse
hbond/dreiding/morse/angleoffset hybrid hybrid/molecular hybrid/overlay hybrid/scaled ilp/graphene/hbn ilp/tmd
kolmogorov/crespi/full kolmogorov/crespi/z lcbop lebedeva/z lennard/mdf lepton lepton/coul lepton/sphere line/lj list
lj/charmm/coul/charmm lj/charmm/coul/charmm/implicit lj/charmm/coul/long lj/charmm/coul/long/soft lj/charmm/coul/msm
lj/charmmfsw/coul/charmmfsh lj/charmmfsw/coul/long lj/class2 lj/class2/coul/cut lj/class2/coul/cut/soft
lj/class2/coul/long lj/class2/coul/long/cs lj/class2/coul/long/soft lj/class2/soft lj/cubic lj/cut lj/cut/coul/cut
lj/cut/coul/cut/dielectric lj/cut/coul/cut/soft lj/cut/coul/debye lj/cut/coul/debye/dielectric lj/cut/coul/dsf
lj/cut/coul/long lj/cut/coul/long/cs lj/cut/coul/long/dielectric lj/cut/coul/long/soft lj/cut/coul/msm
lj/cut/coul/msm/dielectric lj/cut/coul/wolf lj/cut/dipole/cut lj/cut/dipole/long lj/cut/soft lj/cut/sphere
lj/cut/thole/long lj/cut/tip4p/cut lj/cut/tip4p/long lj/cut/tip4p/long/soft lj/expand lj/expand/coul/long
lj/expand/sphere lj/gromacs lj/gromacs/coul/gromacs lj/long/coul/long lj/long/coul/long/dielectric lj/long/dipole/long
lj/long/tip4p/long lj/mdf lj/pirani lj/relres lj/sdk lj/sdk/coul/long lj/sdk/coul/msm lj/sf lj/sf/dipole/sf lj/smooth
lj/smooth/linear lj/spica lj/spica/coul/long lj/spica/coul/msm lj/switch3/coulgauss/long lj96/cut local/density
mdpd/rhosum meam meam/c meam/ms meam/spline meam/sw/spline mesocnt mesocnt/viscous mesont/tpm mie/cut mliap
mm3/switch3/coulgauss/long momb morse morse/smooth/linear morse/soft multi/lucy multi/lucy/rx nb3b/harmonic
nb3b/screened nm/cut nm/cut/coul/cut nm/cut/coul/long nm/cut/split oxdna/coaxstk oxdna/excv oxdna/hbond oxdna/stk
oxdna/xstk oxdna2/coaxstk oxdna2/dh oxdna2/excv oxdna2/hbond oxdna2/stk oxdna2/xstk oxrna2/coaxstk oxrna2/dh
oxrna2/excv oxrna2/hbond oxrna2/stk oxrna2/xstk pedone pod polymorphic reax reax/c reaxff rebo rebomos resquared
rheo/solid saip/metal snap soft sph/heatconduction sph/idealgas sph/lj sph/rhosum sph/taitwater sph/taitwater/morris
spin/dipole/cut spin/dipole/long spin/dmi spin/exchange spin/exchange/biquadratic spin/magelec spin/neel sw
sw/angle/table sw/mod table table/rx tersoff tersoff/mod tersoff/mod/c tersoff/table tersoff/zbl thole threebody/table
tip4p/cut tip4p/long tip4p/long/soft tri/lj uf3 ufm vashishta vashishta/table wf/cut ylz yukawa yukawa/colloid zbl
zero
"""
_COMPUTE_STYLES = """
ackland/atom adf aggregate/atom angle angle/local angmom/chunk ave/sphere/atom basal/atom body/local bond bond/local
born/matrix centro/atom centroid/stress/atom chunk/spread/atom cluster/atom cna/atom cnp/atom com com/chunk
composition/atom contact/atom coord/atom count/type damage/atom dihedral dihedral/local dilatation/atom dipole
dipole/chunk dipole/tip4p dipole/tip4p/chunk dpd dpd/atom edpd/temp/atom efield/atom efield/wolf/atom entropy/atom
erotate/asphere erotate/rigid erotate/sphere erotate/sphere/atom event/displace fabric fep fep/ta force/tally
fragment/atom gaussian/grid/local global/atom group/group gyration gyration/chunk gyration/shape gyration/shape/chunk
heat/flux heat/flux/tally heat/flux/virial/tally hexorder/atom improper improper/local inertia/chunk ke ke/atom
ke/atom/eff ke/eff ke/rigid mesont mliap momentum nbond/atom omega/chunk orientorder/atom pair pair/local pe pe/atom
pe/mol/tally pe/tally plasticity/atom pod/atom pod/global pod/local podd/atom pressure pressure/alchemy
pressure/cylinder pressure/uef property/atom property/chunk property/grid property/local rattlers/atom rdf reaxff/atom
reduce reduce/chunk reduce/region rheo/property/atom rigid/local saed slcsa/atom slice smd/contact/radius smd/damage
smd/hourglass/error smd/internal/energy smd/plastic/strain smd/plastic/strain/rate smd/rho smd/tlsph/defgrad
smd/tlsph/dt smd/tlsph/num/neighs smd/tlsph/shape smd/tlsph/strain smd/tlsph/strain/rate smd/tlsph/stress
smd/triangle/vertices smd/ulsph/effm smd/ulsph/num/neighs smd/ulsph/strain smd/ulsph/strain/rate smd/ulsph/stress
smd/vol sna/atom sna/grid sna/grid/local snad/atom snap snav/atom sph/e/atom sph/rho/atom sph/t/atom spin stress/atom
stress/cartesian stress/cylinder stress/mop stress/mop/profile stress/spherical stress/tally tdpd/cc/atom temp
temp/asphere temp/body temp/chunk temp/com temp/deform temp/deform/eff temp/drude temp/eff temp/partial temp/profile
temp/ramp temp/region temp/region/eff temp/rotate temp/sphere temp/uef ti torque/chunk vcm/chunk viscosity/cos xrd
"""
_RESTORED_COMPUTE_STYLES = """
chunk/atom displace/atom hma msd msd/chunk msd/nongauss temp/cs vacf vacf/chunk
"""

PAIR_STYLES = frozenset(_PAIR_STYLES.split())
"""Forces that follow from the atoms of the moment alone."""
COMPUTE_STYLES = frozenset(_COMPUTE_STYLES.split())
"""Values that follow from the atoms of the moment alone."""
RESTORED_COMPUTE_STYLES = frozenset(_RESTORED_COMPUTE_STYLES.split())
"""Their reference is an internal fix's, which the restart file holds (source: FixStoreAtom, FixStoreGlobal). A running
mean, as of `compute msd ... average yes`, it does not hold."""
